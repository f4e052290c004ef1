;; Judges texts for edn_test.go, on the JVM: whether clojure.edn takes each, and
;; whether what was made of it says the same. A line of input is a text, what was
;; written of it, and its canonical text, in base64, or - for none. A line of output
;; is three characters:
;;
;;   a r     the text is accepted, or refused
;;   = ! x - what was written is the same to the type of every number, differs, is
;;           refused, or is not there
;;   = ! x - the canonical text is equal, as = has it
(require '[clojure.edn :as edn]
         '[clojure.string :as str])
(import '(java.io PushbackReader StringReader)
        '(java.nio ByteBuffer)
        '(java.nio.charset CodingErrorAction StandardCharsets)
        '(java.util Base64))

(def nothing (Object.))

;; What a reader makes of an unknown tag: a value, with no metadata, that is equal
;; where its tag and content are.
(deftype Tagged [tag content]
  Object
  (equals [_ o]
    (and (instance? Tagged o)
         (= tag (.-tag ^Tagged o))
         (= content (.-content ^Tagged o))))
  (hashCode [_] (hash [tag content]))
  clojure.lang.IHashEq
  (hasheq [_] (hash [tag content])))

(def options
  {:eof nothing
   :default (fn [tag content]
              (when-not (namespace tag)
                (throw (RuntimeException. "no reader for the tag")))
              (Tagged. tag content))})

(defn decode [^String base64]
  (str (.decode (doto (.newDecoder StandardCharsets/UTF_8)
                  (.onMalformedInput CodingErrorAction/REPORT))
                (ByteBuffer/wrap (.decode (Base64/getDecoder) base64)))))

;; The one value of a text, or nothing.
(defn read-one [base64]
  (try
    (let [r (PushbackReader. (StringReader. (decode base64)))
          v (edn/read options r)]
      (if (identical? nothing (edn/read options r)) v nothing))
    (catch Throwable _ nothing)))

(defn same? [a b]
  (cond
    ;; Equal collections that were built in the same order are walked in the same.
    (and (coll? a) (coll? b))
    (and (= (map? a) (map? b))
         (= (set? a) (set? b))
         (= (vector? a) (vector? b))
         (= (count a) (count b))
         (every? true? (map same? a b)))

    (and (instance? Tagged a) (instance? Tagged b))
    (and (= (.-tag ^Tagged a) (.-tag ^Tagged b))
         (same? (.-content ^Tagged a) (.-content ^Tagged b)))

    (and (double? a) (double? b))
    (= (Double/doubleToLongBits a) (Double/doubleToLongBits b))

    (and (decimal? a) (decimal? b))
    (.equals ^Object a b)

    ;; Half of a surrogate pair, which UTF-8 cannot hold, becomes U+FFFD.
    (and (string? a) (string? b))
    (= (str/replace a #"\p{Cs}" "\ufffd") b)

    :else
    (and (= (class a) (class b)) (= a b))))

(defn judge [v other test]
  (if (= other "-")
    "-"
    (let [w (read-one other)]
      (cond
        (identical? w nothing) "x"
        (test v w) "="
        :else "!"))))

(doseq [line (line-seq (java.io.BufferedReader. *in*))]
  (let [[text written canonical] (str/split line #" ")
        v (read-one text)]
    (println
      (if (identical? v nothing)
        "r--"
        (str "a" (judge v written same?) (judge v canonical =))))))
