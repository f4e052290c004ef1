(ns ajax
  (:require [checks :refer [check check= run signal until]]
            [promesa.core :as p]
            [sente :as s]))

(def value {:user/id 7 :text "\"é😀+ &=%\n" :set #{1 :a "b"} :list '(1 [2]) :nil nil})

(defn numbers [n] (mapv (fn [i] [:e2e/number i]) (range n)))

(defn main []
  (let [c (s/connect {:uid "ada"})]
    (p/let [_ (until #(:open? @c) "the handshake")
            _ (check= "falls-back" [:ajax ["ada" nil]] [(:type @c) (vec (take 2 (:handshake @c)))])

            _ (signal "backend")
            _ (until #(p/let [a (s/call c [:e2e.sente/echo 1])] (= a 1)) "the backend")
            answers (p/all [(s/call c [:e2e.sente/echo value]) (s/call c [:e2e.sente/echo nil])
                            (s/call c [:e2e.sente/refuse]) (s/call c [:nobody/listens])])
            _ (check= "callbacks" [value nil :e2e/refused :chsk/error] (vec answers))
            _ (s/send-event c [:e2e.sente/pass ["ada" value]])
            pushed (s/take-events c 1)
            _ (check= "push" [[:e2e/passed value]] pushed)

            ;; Each poll reaches another node than the one before.
            _ (s/call c [:e2e.sente/count {:n 200 :gap 5}])
            got (s/take-events c 200)
            _ (check= "pushes-in-order" (numbers 200) got)
            _ (s/call c [:e2e.sente/count {:n 200 :gap 0}])
            got (s/take-events c 200)
            _ (check= "burst-in-order" (numbers 200) got)
            _ (check "polls" (< 3 (:polls @c)) (:polls @c))
            _ (check= "one-handshake" [1 []] [(:handshakes @c) (:refused @c)])
            subscribed (s/call c [:sente-lite/subscribe {:channel-id :e2e/room}])
            _ (check= "subscribed" {:success true} subscribed)
            _ (s/send-event c [:sente-lite/publish {:channel-id :e2e/room :data value}])
            [[id body]] (s/take-events c 1)
            _ (check= "channel" [:sente-lite/channel-msg :e2e/room value] [id (:channel-id body) (:data body)])

            ;; A node dies: what it held is gone, and the client goes on with the others.
            _ (s/call c [:e2e.sente/count {:n 300 :gap 10}])
            _ (signal "kill")
            _ (until #(p/let [_ (s/call c [:e2e.sente/echo 0])] (seq (:refused @c))) "a request in vain")
            _ (until #(p/let [a (s/call c [:e2e.sente/echo 2])] (= a 2)) "an answer after the kill")
            _ (until #(:open? @c) "an open client")
            ;; What was on its way through that node may be lost.
            _ (until #(p/do (s/send-event c [:e2e.sente/pass ["ada" :after]])
                            (p/delay 100)
                            (some #{[:e2e/passed :after]} (:inbox @c)))
                     "a push after the kill")
            got (for [[id n] (:inbox @c) :when (= id :e2e/number)] n)]
      (check "goes-on-in-order" (and (seq got) (apply < got)) got)
      (s/end c))))

(run main)
