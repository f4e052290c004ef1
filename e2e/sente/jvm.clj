;; The JVM's printer and reader, for jvm.mjs: prints values as Clojure prints them,
;; one a line, takes the frames in which they came back, one a line, and judges
;; what clojure.edn makes of them. Answers in checks as e2e_test.go takes them.
(require '[clojure.edn :as edn])

(defrecord Point [x y])

(def values
  [nil true -1 9223372036854775807 -9223372036854775808 12345678901234567890123456789 7N -3N
   1/3 -22/7 1.0 -0.0 1.0E-7 1.7976931348623157E308 4.9E-324 ##Inf ##-Inf ##NaN 1.50M 0.1M 1E+400M 3.14159265358979323846264338327950288M
   "" "quote \" backslash \\ slash /" "line\nfeed\r\ttab\b\f" (str (char 0) (char 1) (char 31) (char 127)) "é 日本語 😀 مرحبا" (str (char 0x2028) (char 0x2029))
   \a \newline \space \tab \é \( \\ \" (char 0) (char 0x3a9)
   :a :a/b :a.b.c/d-e?! :ünï/cödé 'sym 'sym/bol '-> '+ '/ 'a.b/c.d
   [] '() #{} {} [nil] '(1 (2 (3))) #{#{1} [1]} {[1 2] {:k #{nil}}} {{} [] [] {}} (range 5) (map inc [1 2]) (list* 1 [2]) (lazy-seq [1])
   {:user/id 7 :user/name "x"} {:user/id 7 :other 1} #:user{:id 7 :roles #:role{:a 1 :b 2}} {:outer #:in{:a {:b/c 1 :b/d 2}}} {'s/a 1 's/b 2} {"a" 1 :a 2 'a 3 \a 4 1 5 1.0 6}
   #inst "2024-02-29T23:59:59.999-00:00" #inst "1066-10-14T00:00:00.000-00:00" (java.util.Date. 0) (java.sql.Timestamp. 1234567890123) #uuid "6f1e3a2e-1111-2222-3333-444444444444"
   (tagged-literal 'my.app/point {:x 1}) (tagged-literal 'my.app/nested [(tagged-literal 'a/b nil)])
   (with-meta [1] {:line 1}) (sorted-map :b 1 :a 2) (sorted-set 3 1 2) (array-map :z 1 :y 2) (into {} (map #(vector % (str %)) (range 100))) (into #{} (range 100))
   (apply str (repeat 5000 "x")) (reduce (fn [v _] [v]) :core (range 200)) (vec (range 1000)) (int 5) (short 5) (byte 5) (float 1.5) (biginteger 5)
   (first {:a 1})])

;; A record is printed with a tag that no reader of EDN takes without help: as a map it travels.
(def sent (conj values (into {} (->Point 1 {:y/a 1 :y/b 2}))))

(defn nan? [x] (and (double? x) (Double/isNaN x)))

(defn same? [a b]
  (cond
    (nan? a) (nan? b)
    (double? a) (and (double? b) (= (Double/doubleToLongBits a) (Double/doubleToLongBits b)))
    (float? a) (= (double a) b)
    (inst? a) (and (inst? b) (= (inst-ms a) (inst-ms b)))
    (decimal? a) (.equals ^Object a b)
    :else (and (= a b)
               (= (map? a) (map? b)) (= (set? a) (set? b)) (= (vector? a) (vector? b)))))

(doseq [v sent]
  (println (pr-str v)))
(println "end")

;; The events of the frames, in order: of the user's pushes, and of the channel.
(let [frames (vec (take-while #(not= "end" %) (line-seq (java.io.BufferedReader. *in*))))
      read-frame (fn [text]
                   (let [forms (edn/read-string {:default tagged-literal} (str "[" text "\n]"))]
                     (assert (= 1 (count forms)) text)
                     (let [[events cb :as frame] (first forms)]
                       (assert (and (= 2 (count frame)) (nil? cb)) text)
                       events)))
      events (vec (mapcat read-frame frames))
      of (fn [id] (filterv #(= id (first %)) events))
      pushed (mapv second (of :e2e/passed))
      published (mapv (comp :data second) (of :sente-lite/channel-msg))
      judge (fn [label got]
              (let [bad (remove (fn [[a b]] (same? a b)) (map vector sent got))]
                (if (and (= (count sent) (count got)) (empty? bad))
                  (println "ok" label)
                  (println "FAIL" label (count got) "of" (count sent) (pr-str (vec (take 5 bad)))))))]
  (judge "jvm-pushed" pushed)
  (judge "jvm-published" published)
  (println (if (< 1 (apply max 0 (map (comp count read-frame) frames))) "ok" "FAIL") "jvm-several-in-a-frame"))
