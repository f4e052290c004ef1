(ns dev
  "One command is a working system: a node started with --dev, and what it says
  to do next."
  (:require ["node:child_process" :as cp]
            [client :as c :refer [check check=]]
            [promesa.core :as p]))

(def data {:n 1 :tags #{:a "b"} :ratio-free 0.5 :at #inst "2026-01-01" :who #:user{:id 7}})

(defn main []
  (let [url (:greeted c/settings)]
    (p/let [;; The URL as greeted carries ?uid=alice.
            alice (c/connect {:urls [url] :name "alice"})
            bob (c/connect {:urls [(first (:nodes c/settings))] :uid "bob" :name "bob"})
            _ (check= "uids" ["alice" "bob"] (mapv #(first (:handshake @%)) [alice bob]))
            answer (c/call alice [:demo/callback data])
            nothing (c/call alice [:demo/callback])]
      (check= "echo-callback" [data nil] [answer nothing])
      (c/send-event alice [:demo/event data])
      (p/let [[_ body] (c/take-form alice (c/event? :sente-lite/echo) "an echo")]
        (check= "echo-event"
                {:original-event-id :demo/event :original-data data :conn-id (:conn-id @alice)}
                (dissoc body :timestamp))
        (check "echo-timestamp" (< (- (js/Date.now) 60000) (:timestamp body) (+ (js/Date.now) 60000)) body))

      ;; The line to paste works as it stands, in a shell.
      (let [out (cp/spawnSync "sh" #js ["-c" (:paste c/settings)] #js {:encoding "utf8"})]
        (check "paste-runs" (zero? (.-status out)) (:paste c/settings) (.-status out) (.-stderr out)))
      (p/let [push (c/take-form alice (constantly true) "the pasted push")]
        (check= "paste-reaches-alice" [:chat/hi {:n 1}] push))
      (check= "nobody-else" [] (c/forms bob)))))

(c/run main)
