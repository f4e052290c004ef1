(ns callbacks
  "Callbacks of clients on all three nodes, answered by backends that know the
  contract alone: one with the npm client of NATS, one on a bare TCP socket."
  (:require [client :as c :refer [check check=]]
            [promesa.core :as p]))

(def data {:n 1 :tags #{:a "b"} :at #inst "2026-01-01" :who #:user{:id 7} :list '(1 2) :text "ü \"quoted\" 🚀"})

(defn main []
  (let [urls (:nodes c/settings)]
    (p/let [clients (p/all (map (fn [u n] (c/connect {:urls [u] :name n})) urls ["a" "b" "c"]))
            named (c/connect {:urls [(first urls)] :uid "carol smith" :name "carol"})
            [a b d] clients
            _ (p/all (for [cl clients, id [:e2e.nats/echo :e2e.tcp/echo]]
                       (c/until #(c/call cl [id :warm-up]) map? "the backend")))
            began (js/Date.now)
            ;; Takes the 15 s of the node's own limit; asked first, looked at last.
            silence (c/call b [:e2e.nats/silent data])
            silence-took (p/then silence (fn [v] [v (- (js/Date.now) began)]))
            waiting [silence-took]]
      (p/let [replies (p/all (for [cl clients] (c/call cl [:e2e.nats/echo data])))]
        (check= "npm-client-answers"
                (mapv (fn [cl] {:backend :nats :event [:e2e.nats/echo data] :conn (:conn-id @cl) :uid nil}) clients)
                (vec replies)))
      (p/let [replies (p/all (for [cl clients] (c/call cl [:e2e.tcp/echo data])))]
        (check= "bare-socket-answers"
                (mapv (fn [cl] {:backend :tcp :event [:e2e.tcp/echo data] :conn (:conn-id @cl) :uid nil}) clients)
                (vec replies)))
      (p/let [r (c/call named [:e2e.nats/echo])]
        (check= "uid-as-token" {:backend :nats :event [:e2e.nats/echo] :conn (:conn-id @named) :uid "carol%20smith"} r))

      ;; 300 callbacks in flight, each finds its own answer.
      (p/let [replies (p/all (for [n (range 100), cl clients] (c/call cl [:e2e.tcp/echo n])))]
        (check= "in-flight" (for [n (range 100), _ clients] [:e2e.tcp/echo n]) (map :event replies)))

      (p/let [refused-nats (c/call a [:e2e.nats/refuse 1])
              refused-tcp (c/call d [:e2e.tcp/refuse 1])]
        ;; The keyword of Hoshi-Error stands where the body would.
        (check= "error-replies" [:e2e/refused :e2e/refused] [refused-nats refused-tcp]))
      (p/let [first-only (c/call a [:e2e.nats/twice 1])
              skipped (c/call a [:e2e.nats/bad-then-good 1])
              none (c/call a [:e2e.nats/nil 1])]
        (check= "first-reply-counts" :first first-only)
        (check= "unreadable-reply-is-not-taken" :good skipped)
        (check= "nil-is-an-answer" nil none))

      (p/let [t (js/Date.now)
              nobody (c/call d [:nobody.at.all/listens 1])
              took (- (js/Date.now) t)]
        (check= "nobody-listens" :chsk/error nobody)
        (check "nobody-listens-at-once" (< took 5000) took))

      ;; Ids whose dots make levels: each reaches the backend whose subject covers it.
      (p/let [deep (c/call a [:e2e.nats.deeper.still/echo 1])]
        (check= "dots-are-levels" [:e2e.nats.deeper.still/echo 1] (:event deep)))

      ;; Events without a callback: heard by the backend, answered on the socket's own subject.
      (c/send-event b [:e2e.nats/whisper data])
      (c/send-event b [[:e2e.tcp/whisper data] nil])
      (p/let [w1 (c/take-form b #(= :nats (:by (second %))) "the npm client's whisper")
              w2 (c/take-form b #(= :tcp (:by (second %))) "the bare socket's whisper")]
        (check= "events-without-callback"
                [[:e2e/whispered {:by :nats :event [:e2e.nats/whisper data]}]
                 [:e2e/whispered {:by :tcp :event [:e2e.tcp/whisper data]}]]
                [w1 w2]))

      ;; Backends hear of a socket's life.
      (p/let [short (c/connect {:urls [(nth urls 2)] :uid "dave" :name "dave"})
              _ (c/disconnect short)
              seen (c/until #(c/call a [:e2e.nats/seen (:conn-id @short)])
                            #(= 2 (count %)) "conn-open and conn-close")
              [[open-id open] [close-id close]] seen]
        (check= "conn-open" [:chsk/conn-open (:conn-id @short) "dave"] [open-id (:conn-id open) (:uid open)])
        (check= "conn-close" [:chsk/conn-close (:conn-id @short) "dave" 1000]
                [close-id (:conn-id close) (:uid close) (:code close)]))

      (p/let [[v took] (first waiting)]
        (check= "timeout" :chsk/timeout v)
        (check "timeout-after-15-s" (< 14000 took 25000) took))
      (check= "nothing-else" [[] [] []] (mapv c/forms clients)))))

(c/run main)
