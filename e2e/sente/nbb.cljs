(ns nbb
  "Clients of Sente in ClojureScript, by hand: its printer writes and its reader
  judges every frame, in the forms of the newest and of the oldest version, beside
  a client of sente-lite."
  (:require [client :as lite :refer [check check=]]
            ["ws$default" :as WebSocket]
            [clojure.string :as str]
            [promesa.core :as p]))

(def urls (mapv #(str/replace % #"/ws$" "/chsk") (:nodes lite/settings)))

(defn connect
  "A promise of a client that has read its handshake. old? is a client up to 1.16."
  [node uid old?]
  (let [ws (new WebSocket (str (nth urls node) "?client-id=" (random-uuid) "&uid=" uid))
        c (atom {:ws ws :old? old? :callbacks {} :inbox [] :waiting []})
        settle (fn []
                 (doseq [[pred resolve :as w] (:waiting @c)]
                   (when-let [found (first (filter pred (:inbox @c)))]
                     (swap! c (fn [s] (-> s
                                          (update :inbox #(vec (remove (fn [x] (identical? x found)) %)))
                                          (update :waiting #(filterv (fn [x] (not (identical? x w))) %)))))
                     (resolve found))))]
    (swap! c assoc :settle settle)
    (.on ws "message"
         (fn [data _]
           (let [text (.toString data "utf8")
                 ;; The oldest reader drops a character and reads one form; the newest reads all.
                 prefix? (str/starts-with? text "+")
                 [said cb] (cond
                             (not old?) (lite/read-frame text)
                             prefix? (lite/read-frame (subs text 1))
                             :else [(first (lite/read-frame text)) nil])]
             (cond
               (= said :chsk/ws-ping) nil
               (and (vector? said) (= :chsk/handshake (first said)))
               (do (swap! c assoc :handshake (second said))
                   (swap! c update :inbox conj said)
                   (settle))
               cb (if-let [f (get-in @c [:callbacks cb])]
                    (do (swap! c update :callbacks dissoc cb) (f said))
                    (check "callback-known" false said cb))
               :else (do (when old? (when-not prefix? (check "old-form" false text)))
                         (doseq [ev said] (swap! c update :inbox conj ev))
                         (settle))))))
    (.on ws "error" (fn [e] (check "socket" false (.-message e))))
    c))

(defn take-event
  "A promise of the next event of this id."
  [c id]
  (p/create (fn [resolve reject]
              (let [timer (js/setTimeout #(reject (ex-info (str "waited in vain for " id) {:inbox (:inbox @c)})) lite/patience)]
                (swap! c update :waiting conj [#(= id (first %)) (fn [ev] (js/clearTimeout timer) (resolve ev))])
                ((:settle @c))))))

(defn send-event
  ([c ev] (send-event c ev nil))
  ([c ev cb]
   (let [{:keys [ws old?]} @c]
     (.send ws (cond
                 (not old?) (pr-str [ev cb])
                 cb (str "+" (pr-str [ev cb]))
                 :else (str "+" (pr-str [ev])))))))

(defn call
  "A promise of the answer to an event."
  [c ev]
  (let [cb (subs (str (random-uuid)) 0 6)]
    (p/create (fn [resolve reject]
                (let [timer (js/setTimeout #(reject (ex-info "no answer" {:event ev})) lite/patience)]
                  (swap! c assoc-in [:callbacks cb] (fn [v] (js/clearTimeout timer) (resolve v)))
                  (send-event c ev cb))))))

(def value
  {:user/id 7 :text "\"é😀\n" :set #{1 :a "b"} :list '(1 [2]) :nil nil :inst #inst "2024-02-29T23:59:59.999-00:00"
   :uuid #uuid "0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4" [1 2] {:deep #{[nil]}} :sym 'a/b :nested #:user{:name "x"}})

(defn main []
  (let [young (connect 0 "ada" false)
        old (connect 1 "bea" true)
        room {:channel-id [:doc 7]}]
    (p/let [hello (take-event young :chsk/handshake)
            hello-old (take-event old :chsk/handshake)
            lite-client (lite/connect {:urls [(nth (:nodes lite/settings) 2)] :uid "cid" :name "lite"})
            _ (check= "handshakes" [["ada" nil] ["bea" nil]] (mapv #(vec (take 2 (second %))) [hello hello-old]))
            _ (lite/until #(call young [:e2e.sente/echo 1]) #{1} "the backend")

            answers (p/all (for [c [young old]] (call c [:e2e.sente/echo value])))
            _ (check= "callback-values" [value value] answers)

            _ (call young [:e2e.sente/pass ["bea" value]])
            pushed (take-event old :e2e/passed)
            _ (check= "push-values" [:e2e/passed value] pushed)

            ;; One channel, three nodes, two dialects, every form.
            subscribed (p/all (for [c [young old]] (call c [:sente-lite/subscribe room])))
            _ (lite/subscribe lite-client [:doc 7])
            _ (check= "subscribed" [{:success true} {:success true}] subscribed)
            _ (send-event old [:sente-lite/publish (assoc room :data value)])
            heard (p/all [(take-event young :sente-lite/channel-msg) (take-event old :sente-lite/channel-msg)])
            heard-lite (lite/message lite-client [:doc 7])
            _ (check= "channel" (repeat 3 (assoc room :data value :from (-> @old :handshake (nth 2) :conn-id)))
                      (conj (mapv second heard) heard-lite))
            _ (lite/publish lite-client [:doc 7] '(:from lite))
            heard (p/all [(take-event young :sente-lite/channel-msg) (take-event old :sente-lite/channel-msg)])
            _ (check= "channel-from-lite" ['(:from lite) '(:from lite)] (mapv (comp :data second) heard))

            ;; A user with a socket of each dialect.
            lite-bea (lite/connect {:urls [(nth (:nodes lite/settings) 0)] :uid "bea" :name "lite-bea"})
            _ (call young [:e2e.sente/pass ["bea" :both]])
            both (p/all [(take-event old :e2e/passed) (lite/take-form lite-bea (lite/event? :e2e/passed))])]
      (check= "user-in-both-dialects" [[:e2e/passed :both] [:e2e/passed :both]] (vec both))
      (check= "nothing-else" [[] []] (mapv (comp :inbox deref) [young old])))))

(lite/run main)
