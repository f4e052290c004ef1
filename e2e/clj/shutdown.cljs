(ns shutdown
  "Ctrl-C closes every client with 1012, service restart."
  (:require [client :as c :refer [check=]]
            [promesa.core :as p]))

(defn main []
  (p/let [clients (p/all (for [u (:nodes c/settings), n (range 5)]
                           (c/connect {:urls [u] :name (str u " " n)})))
          waits (mapv c/closed clients)
          _ (c/signal "interrupt")
          codes (p/all waits)]
    (check= "closed-with-1012" (repeat 15 1012) codes)))

(c/run main)
