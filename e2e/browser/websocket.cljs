(ns websocket
  (:require [checks :refer [check check= run signal until]]
            [promesa.core :as p]
            [sente :as s]))

(def value {:user/id 7 :text "\"é😀\n" :set #{1 :a "b"} :list '(1 [2]) :nil nil :at #inst "2026-01-02T03:04:05.678-00:00"})

(defn numbers [n] (mapv (fn [i] [:e2e/number i]) (range n)))

(defn main []
  (let [c (s/connect {:uid "ada"})]
    (p/let [_ (until #(:open? @c) "the handshake")
            [uid csrf info] (:handshake @c)
            _ (check "handshake" (and (= ["ada" nil] [uid csrf]) (re-matches #"conn-[0-9a-f-]{36}" (:conn-id info))) (:handshake @c))

            ;; The backend is started on another node than this page's.
            _ (signal "backend")
            _ (until #(p/let [a (s/call c [:e2e.sente/echo 1])] (= a 1)) "the backend")
            answers (p/all [(s/call c [:e2e.sente/echo value]) (s/call c [:e2e.sente/refuse]) (s/call c [:nobody/listens])])
            _ (check= "callbacks" [value :e2e/refused :chsk/error] (vec answers))
            _ (s/send-event c [:e2e.sente/pass ["ada" value]])
            pushed (s/take-events c 1)
            _ (check= "push" [[:e2e/passed value]] pushed)
            _ (s/call c [:e2e.sente/count {:n 300 :gap 0}])
            got (s/take-events c 300)
            _ (check= "pushes-in-order" (numbers 300) got)
            pong (s/call c [:chsk/ws-ping])
            _ (check= "ping" "pong" pong)

            ;; Its node is killed; the proxy sends it to another, or in vain to the dead one.
            _ (signal "kill")
            _ (until #(= 2 (:handshakes @c)) "another handshake")
            _ (check "reconnected" (and (= "ada" (first (:handshake @c))) (not= (:conn-id info) (:conn-id (nth (:handshake @c) 2))))
                     (:handshake @c) (:closes @c))
            _ (until #(p/let [a (s/call c [:e2e.sente/echo 2])] (= a 2)) "the backend")
            _ (s/call c [:e2e.sente/count {:n 100 :gap 2}])
            got (s/take-events c 100)
            _ (check= "pushes-again" (numbers 100) got)
            _ (s/call c [:sente-lite/subscribe {:channel-id :e2e/room}])
            _ (s/send-event c [:sente-lite/publish {:channel-id :e2e/room :data value}])
            [[id body]] (s/take-events c 1)]
      (check= "channel" [:sente-lite/channel-msg :e2e/room value] [id (:channel-id body) (:data body)])
      (check= "nothing-else" [] (:inbox @c))
      (s/end c))))

(run main)
