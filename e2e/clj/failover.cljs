(ns failover
  "A node is killed outright. Its clients come back elsewhere by themselves and
  subscribe again; those on the other nodes miss nothing."
  (:require [client :as c :refer [check check=]]
            [promesa.core :as p]))

(defn rising? [ns] (or (empty? ns) (apply < ns)))

(defn drain-numbers
  "Takes the data of all channel messages that are there now."
  [cl]
  (let [ms (filterv (c/event? :sente-lite/channel-msg) (c/forms cl))]
    (swap! cl update :inbox (fn [in] (filterv #(not ((c/event? :sente-lite/channel-msg) (:form %))) in)))
    (mapv (comp :data second) ms)))

(defn main []
  (let [[url-a url-b url-c] (:nodes c/settings)]
    (p/let [sender (c/connect {:urls [url-a] :name "sender"})
            steady (c/connect {:urls [url-b] :uid "steady" :name "steady"})
            _ (c/subscribe steady :fo/numbers)
            lost (p/all (for [n (range 6)]
                          (c/connect {:urls [url-c (if (even? n) url-a url-b)] :reconnect true :uid "mover"
                                      :channels [:fo/numbers [:doc n]] :name (str "mover " n)})))
            _ (p/all (for [cl lost, ch (:channels @cl)] (c/subscribed cl ch)))
            old-ids (mapv (comp :conn-id deref) lost)
            n (atom 0)
            tick (js/setInterval #(c/publish sender :fo/numbers (swap! n inc)) 5)
            ;; Everybody hears the stream before the kill.
            _ (p/all (for [cl (conj (vec lost) steady)] (c/message cl :fo/numbers)))
            closes (p/all (let [waits (mapv c/closed lost)] (c/signal "kill") waits))]
      (check= "sockets-cut" (repeat 6 1006) closes)
      (p/let [_ (p/all (for [cl lost] (c/take-form cl (c/event? :chsk/handshake) "a second handshake")))
              before (mapv drain-numbers lost)
              ;; Answered without being asked for here: the client subscribes by itself.
              answers (p/all (for [cl lost, ch (:channels @cl)] (c/subscribed cl ch)))]
        (check= "subscribed-again" (repeat 12 true) (map :success answers))
        (check "new-connections" (empty? (filter (set old-ids) (map (comp :conn-id deref) lost))))
        (check "order-until-the-kill" (every? rising? before) before)
        (p/let [_ (p/all (for [cl lost] (c/message cl :fo/numbers)))
                after-start @n
                _ (c/until #(p/resolved @n) #(< (+ 100 after-start) %) "100 more numbers")
                _ (js/clearInterval tick)
                _ (c/publish sender :fo/numbers :end)
                _ (p/all (for [cl (conj (vec lost) steady)]
                           (c/until #(p/resolved (some #{:end} (map (comp :data second) (c/forms cl)))) some? "the end")))
                after (mapv drain-numbers lost)
                all (drain-numbers steady)]
          (check "no-gap-after-return"
                 (every? (fn [ns] (and (= :end (last ns)) (= (butlast ns) (range (first ns) (inc @n))))) after)
                 (mapv (juxt first last count) after))
          ;; The first number was taken above.
          (check "steady-missed-nothing"
                 (= all (concat (range (first all) (inc @n)) [:end]))
                 (first all) (last all) (count all) @n)
          (check= "steady-stayed" [] (:closes @steady))))

      ;; The user's pushes and the other channels find the sockets where they are now.
      (doseq [k (range 6)] (c/publish sender [:doc k] {:doc k}))
      (p/let [got (p/all (map (fn [cl k] (c/message cl [:doc k])) lost (range 6)))]
        (check= "other-channels-too" (map (fn [k] {:doc k}) (range 6)) (map :data got)))
      (p/let [_ (c/call sender [:e2e.nats/push (js/JSON.stringify #js {:subject "hoshi.user.mover" :body "[:fo/found \"you\"]"})])
              found (p/all (for [cl lost] (c/take-form cl (c/event? :fo/found) "a push")))]
        (check= "user-found-again" (repeat 6 [:fo/found "you"]) found))

      ;; The node comes back on its address and takes clients as before.
      (c/signal "restart")
      (p/let [back (c/until #(-> (c/connect {:urls [url-c] :name "back"}) (p/catch (fn [_] nil))) some? "the restarted node")
              sub (c/subscribe back :fo/numbers)]
        (c/publish sender :fo/numbers :welcome-back)
        (p/let [m (c/message back :fo/numbers)]
          (check= "restarted-node" [true :welcome-back] [(:success sub) (:data m)]))))))

(c/run main)
