(ns values
  "Values that only Clojure's reader and printer can judge, sent by a client on
  one node, relayed to a client on another, and back from a backend."
  (:require [clojure.string :as str]
            [client :as c :refer [check check=]]
            [promesa.core :as p]))

(def values
  [nil true false 0 -1 42 9007199254740991 -9007199254740991 0.1 -2.5 1.5e-7 1e21 ##Inf ##-Inf
   "" "plain" "quote \" backslash \\ slash / done" "line\nfeed\r\ttab\b\f" "\u0001\u001f\u007f\u2028\u2029"
   "äöü ß é" "日本語 東京" "😀🚀👩‍👩‍👧‍👦" "مرحبا" "e\u0301" "ends with \\" "#_ ; not a comment" "\u0000"
   :a :a/b :a.b.c/d-e?! :ünï/cödé :a1/b2 'sym 'sym/bol 'some-thing/x->y* '+ '-
   [] [1 [2 [3 []]]] '() '(1 2 (3 4)) #{} #{1 "1" :1 'one} #{#{1} #{2} #{}} {} {:a 1 "a" 2 'a 3 1 4 nil 5}
   {[1 2] {:deep #{{:er [nil]}}}} {#{1} #{2}} #:user{:id 7 :name "Ayşe" :roles #{:admin :dev}}
   {:user/id 7 :other/id 8 :plain 9} {:outer #:inner{:a #:innermost{:b 1}}}
   #inst "2024-02-29T23:59:59.999-00:00" #inst "1969-12-31T23:59:59.000-00:00"
   #uuid "0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"
   (tagged-literal 'my.app/point {:x 1 :y [2]}) [(tagged-literal 'a/b nil) (tagged-literal 'a/c '(1))]
   (vec (range 500)) (apply str (repeat 3000 "x")) (reduce (fn [v _] [v]) :core (range 200))
   (into {} (map (fn [n] [(keyword "k" (str "n" n)) {:n n}]) (range 100)))])

(def texts
  "Values that this reader would blur: ratios become doubles, big numbers lose
  digits, characters become strings. The text itself must arrive."
  ["22/7" "-1/3" "123456789012345678901234567890N" "3.14159265358979323846264338327950288M" "1N" "1.50M"
   "\\a" "\\newline" "\\space" "\\u03A9" "9223372036854775807" "-9223372036854775808" "1.0" "1e3" "+5"
   "#:a{:b 1}" "{:a/b 1}" "(1 . 2)" "[1, 2, ,3]" "##NaN" "\"raw\u0001control\""])

(defn kind
  "What `=` does not tell apart: lists and vectors."
  [v]
  (cond (list? v) :list (seq? v) :list (vector? v) :vector (set? v) :set (map? v) :map :else :other))

(defn differing [want got]
  (keep (fn [[w g]] (when-not (and (= w g) (= (kind w) (kind g))) {:want w :got g}))
        (map vector want got)))

(defn main []
  (let [[url-a url-b url-c] (:nodes c/settings)]
    (p/let [a (c/connect {:urls [url-a] :name "a"})
            b (c/connect {:urls [url-b] :name "b"})
            d (c/connect {:urls [url-c] :name "c"})
            _ (c/subscribe b :e2e/values)
            _ (c/subscribe d :e2e/values)]
      (doseq [v values] (c/publish a :e2e/values v))
      (p/let [got-b (c/messages b :e2e/values (count values))
              got-c (c/messages d :e2e/values (count values))]
        (check "values-b" (empty? (differing values got-b)) (differing values got-b))
        (check "values-c" (empty? (differing values got-c)) (differing values got-c)))
      (c/publish a :e2e/values ##NaN)
      (p/let [v (p/then (c/message b :e2e/values) :data)
              _ (c/message d :e2e/values)]
        (check "nan" (and (number? v) (js/isNaN v)) v))

      (doseq [text texts]
        (c/send-text a (str "[:sente-lite/publish {:channel-id :e2e/values :data " text "}]")))
      (p/let [frames (p/all (for [_ texts] (c/take-frame b (c/event? :sente-lite/channel-msg))))
              _ (c/messages d :e2e/values (count texts))
              missing (remove (fn [[text frame]] (str/includes? (:text frame) (str ":data " text)))
                              (map vector texts frames))]
        (check "texts-verbatim" (empty? missing) (mapv (fn [[t f]] [t (:text f)]) missing)))

      ;; A message close to the limit, of characters of four bytes each.
      (let [big (apply str (repeat 250000 "🚀"))]
        (c/publish a :e2e/values big)
        (p/let [got-b (c/message b :e2e/values)
                got-c (c/message d :e2e/values)]
          (check "megabyte" (= [big big] [(:data got-b) (:data got-c)])
                 (count (:data got-b)) (count (:data got-c)))))

      ;; The same through a backend that sends the text back untouched.
      (p/let [_ (c/until #(c/call a [:e2e.nats/echo :warm-up]) map? "the backend")
              replies (p/all (for [v values] (c/call a [:e2e.nats/echo v])))
              got (mapv (comp second :event) replies)]
        (check "values-through-backend" (empty? (differing values got)) (differing values got)))
      (p/let [r (c/call a [:e2e.nats/echo ##NaN])]
        (check "nan-through-backend" (js/isNaN (-> r :event second)) r)))))

(c/run main)
