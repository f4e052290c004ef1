(ns checks
  "What the pages say: one line on the console for each check, which the driver
  compares with its own list; waits with an end."
  (:require [promesa.core :as p]))

(def patience "Milliseconds before a wait is a failure." 30000)

(defn say [& words] (js/console.log (apply str (interpose " " words))))

(defn check
  "Says `ok NAME`, or `FAIL NAME` and what was seen."
  [label ok? & seen]
  (if ok? (say "ok" label) (say "FAIL" label (pr-str (vec seen)))))

(defn check= [label want got] (check label (= want got) {:want want :got got}))

(defn signal "Tells the driver that its turn has come." [word] (say "#" word))

(defn until
  "A promise of the first truthy value of f, a function of a value or a promise."
  [f what]
  (let [end (+ (js/Date.now) patience)]
    (p/loop []
      (p/let [v (f)]
        (cond
          v v
          (> (js/Date.now) end) (p/rejected (ex-info (str "waited in vain for " what) {}))
          :else (p/do (p/delay 10) (p/recur)))))))

(defn run
  "Runs a page: f is a function of no arguments that returns a promise."
  [f]
  (-> (p/do (f))
      (p/catch (fn [e] (say "FAIL page" (ex-message e) (pr-str (ex-data e)))))
      (p/then (fn [_] (say "done")))))
