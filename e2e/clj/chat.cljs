(ns chat
  "Clients on three nodes talk in channels whose ids are any EDN value."
  (:require [client :as c :refer [check check=]]
            [promesa.core :as p]))

(def ids
  "Ids that must stay apart from each other, and come back equal."
  [:chat/room "chat/room" ":chat/room" 'chat/room :chat "chat" 42 "42" 42.5
   [:doc 7] {:doc 7} #{:doc 7} "räum 東京 🚀" :ünï/cödé "a.b" "a..b" "*" ">" "hoshi.chan.x"
   {:doc 7 :lang "de" :nested {:b [1 2] :a #{nil}}} #inst "2024-02-29T12:00:00.000-00:00"
   #uuid "0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4" true [nil] " " "a b\n\"c\""])

(defn main []
  (let [[url-a url-b url-c] (:nodes c/settings)]
    (p/let [a (c/connect {:urls [url-a] :name "a"})
            b (c/connect {:urls [url-b] :name "b"})
            d (c/connect {:urls [url-c] :name "c"})
            [uid csrf info new?] (:handshake @a)]
      (check "handshake-shape" (and (= 4 (count (:handshake @a))) (nil? csrf) (true? new?)
                                    (= "2.0.0" (:sente-lite-version info)) (some? (:hoshi info)))
             (:handshake @a))
      (check= "uid-is-conn-id" (:conn-id info) uid)
      (check "conn-id-shape"
             (re-matches #"conn-[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}" (str uid)) uid)
      (check "nodes-differ" (= 3 (count (set (map #(subs (:conn-id @%) 29) [a b d]))))
             (mapv (comp :conn-id deref) [a b d]))

      ;; Every id is a room of its own: what is said in one is heard there alone.
      (p/let [answers (p/all (for [ch ids, cl [b d]] (c/subscribe cl ch)))]
        (check "subscribed" (every? #(and (true? (:success %)) (not (contains? % :error))) answers)
               (remove :success answers)))
      (doseq [ch ids] (c/publish a ch [:said-in ch]))
      (p/let [heard-b (p/all (for [ch ids] (c/message b ch)))
              heard-c (p/all (for [ch ids] (c/message d ch)))]
        (check= "channel-ids-b" (mapv (fn [ch] {:channel-id ch :data [:said-in ch] :from uid}) ids) (vec heard-b))
        (check= "channel-ids-c" (mapv (fn [ch] {:channel-id ch :data [:said-in ch] :from uid}) ids) (vec heard-c)))
      (check= "nothing-else" [[] []] [(c/forms b) (c/forms d)])

      ;; Order of one publisher in one channel, while another one talks too.
      (doseq [n (range 200)]
        (c/publish a :chat/room {:by :a :n n})
        (c/publish b :chat/room {:by :b :n n}))
      (p/let [heard (c/messages d :chat/room 400)
              own (c/messages b :chat/room 400)]
        (check= "order-a" (range 200) (map :n (filter #(= :a (:by %)) heard)))
        (check= "order-b" (range 200) (map :n (filter #(= :b (:by %)) heard)))
        (check= "own-order" (range 200) (map :n (filter #(= :b (:by %)) own))))

      ;; The sender is a subscriber too, and is left out only where it says so.
      (c/publish b :chat/room :not-for-me {:exclude-sender? true})
      (c/publish b :chat/room :for-all {:exclude-sender? false})
      (p/let [mine (c/message b :chat/room)
              theirs (c/messages d :chat/room 2)]
        (check= "exclude-sender-own" :for-all (:data mine))
        (check= "exclude-sender-others" [:not-for-me :for-all] theirs))

      ;; nil is data, and its key stays.
      (c/publish a :chat/room nil)
      (p/let [m (c/message d :chat/room)
              _ (c/message b :chat/room)]
        (check= "nil-data" {:channel-id :chat/room :data nil :from uid} m))

      ;; Subscribed twice is one membership.
      (p/let [again (c/subscribe d :chat/room)]
        (check= "subscribe-twice" {:channel-id :chat/room :success true} again))
      (c/publish a :chat/room :once)
      (c/publish a :chat/room :fence)
      (p/let [heard (c/messages d :chat/room 2)
              _ (c/messages b :chat/room 2)]
        (check= "one-membership" [[:once :fence] []] [heard (c/forms d)]))

      ;; With a callback there is an answer, and no :sente-lite/subscribed beside it.
      (p/let [sub (c/call a [:sente-lite/subscribe {:channel-id :cb/room}])
              pub (c/call a [:sente-lite/publish {:channel-id :cb/room :data 1}])
              m (c/message a :cb/room)
              unsub (c/call a [:sente-lite/unsubscribe {:channel-id :cb/room}])]
        (check "callback-answers" (every? (comp true? :success) [sub pub unsub]) sub pub unsub)
        (check= "callback-publish-heard" 1 (:data m))
        (check= "no-second-answer" [] (c/forms a)))

      ;; After the answer to unsubscribe nothing comes, and others go on.
      (p/let [left (c/unsubscribe d :chat/room)]
        (check= "unsubscribe-answer" {:channel-id :chat/room :success true} left))
      (c/publish a :chat/room :gone)
      (p/let [m (c/message b :chat/room)
              back (c/subscribe d :chat/room)]
        (check= "others-go-on" :gone (:data m))
        (check= "subscribe-again" {:channel-id :chat/room :success true} back))
      (c/publish a :chat/room :back)
      (p/let [m (c/message d :chat/room)
              _ (c/message b :chat/room)]
        (check= "nothing-while-away" [:back []] [(:data m) (c/forms d)]))
      (p/let [never (c/unsubscribe a :never/subscribed)]
        (check= "not-subscribed" {:channel-id :never/subscribed :success nil :error :not-subscribed} never))
      (p/let [no-id (c/call a [:sente-lite/subscribe {}])
              empty-id (c/call a [:sente-lite/subscribe {:channel-id ""}])
              nan-id (c/call a [:sente-lite/subscribe {:channel-id ##NaN}])]
        (check= "bad-channel-ids" [:bad-request :bad-request :bad-request]
                (mapv :error [no-id empty-id nan-id])))

      ;; What a reader would refuse reaches nobody, and its connection stays.
      (doseq [text ["" "[" "not an event" "[:no-namespace 1]" "{:type :subscribe}" "[\"chat/x\" 1]"
                    "[:sente-lite/publish {:channel-id :chat/room :data {:a 1 :a 2}}]"
                    "[:sente-lite/publish {:channel-id :chat/room :data #{1 1}}]"
                    "[:sente-lite/publish {:channel-id :chat/room :data #inst \"never\"}]"
                    "[:sente-lite/publish {:channel-id :chat/room :data #js {}}]"
                    "[:sente-lite/publish {:channel-id :chat/room :data {:a}}]"
                    "[:sente-lite/publish {:channel-id :chat/room :data [1 2}]"
                    "[:sente-lite/publish {:channel-id :chat/room :data \"\\/\"}]"]]
        (c/send-text a text))
      (c/publish a :chat/room :after-bad-input)
      (p/let [m-b (c/message b :chat/room)
              m-c (c/message d :chat/room)]
        (check= "bad-input-dropped" [:after-bad-input :after-bad-input [] []]
                [(:data m-b) (:data m-c) (c/forms b) (c/forms d)])
        (check= "bad-input-connection-stays" [] (:closes @a)))

      ;; The application's own ping, as the client sends it.
      (c/send-event a [:chsk/ws-ping])
      (p/let [pong (c/take-form a (c/event? :chsk/ws-pong) "a pong")]
        (check= "pong" :chsk/ws-pong (first pong))))))

(c/run main)
