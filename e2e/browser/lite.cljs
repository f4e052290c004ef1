(ns lite
  "sente-lite's wire by hand: bare events."
  (:require [checks :refer [check= run until]]
            [clojure.edn :as edn]
            [promesa.core :as p]))

(def value {:user/id 7 :text "\"é😀\n" :set #{1 :a "b"} :list '(1 [2]) :nil nil})

(defn connect []
  (let [ws (js/WebSocket. (str "ws://" js/location.host "/ws"))
        inbox (atom [])]
    (set! (.-onmessage ws) (fn [e] (let [[id :as ev] (edn/read-string (.-data e))]
                                     (if (= id :chsk/ws-ping)
                                       (.send ws "[:chsk/ws-pong]")
                                       (swap! inbox conj ev)))))
    {:ws ws :inbox inbox}))

(defn send-event [{:keys [ws]} ev] (.send ws (pr-str ev)))

(defn take-event [{:keys [inbox]}]
  (p/do (until #(seq @inbox) "an event")
        (let [ev (first @inbox)]
          (swap! inbox subvec 1)
          ev)))

(defn main []
  (let [a (connect)
        b (connect)]
    (p/let [[id [conn csrf info first?]] (take-event a)
            _ (take-event b)
            _ (check= "handshake" [:chsk/handshake (:conn-id info) nil true] [id conn csrf first?])
            _ (send-event b [:sente-lite/subscribe {:channel-id :chat/room}])
            answer (take-event b)
            _ (check= "subscribed" [:sente-lite/subscribed {:channel-id :chat/room :success true}] answer)
            _ (send-event a [:sente-lite/publish {:channel-id :chat/room :data value}])
            heard (take-event b)
            _ (check= "heard" [:sente-lite/channel-msg {:channel-id :chat/room :data value :from conn}] heard)
            _ (send-event a [[:sente-lite/publish {:channel-id :chat/room :data 1}] "cb-1"])
            answer (take-event a)
            _ (check= "callback" [{:success true} "cb-1"] answer)
            heard (take-event b)
            _ (check= "heard-again" 1 (:data (second heard)))
            _ (send-event a [:chsk/ws-ping])
            pong (take-event a)]
      (check= "pong" [:chsk/ws-pong] pong)
      (check= "nothing-else" [[] []] [@(:inbox a) @(:inbox b)])
      (.close (:ws a))
      (.close (:ws b)))))

(run main)
