(ns client
  "A small sente-lite client for the end-to-end test. Clojure's own printer
  writes what it sends and Clojure's own reader judges what it hears: every
  frame must be exactly one form. Nothing in here knows how the node is built;
  it speaks the wire format alone.

  A client is an atom. Frames wait in :inbox, read, until somebody takes them."
  (:require ["ws$default" :as WebSocket]
            [clojure.edn :as edn]
            [promesa.core :as p]))

(def settings
  "What the test driver says: {:nodes [url ...] :nats [url ...] :hoshi path}."
  (js->clj (js/JSON.parse (or js/process.env.E2E_SETTINGS "{}")) :keywordize-keys true))

(def patience "Milliseconds before a wait is a failure." 30000)

;; ---- checks: one line each; the driver compares the names with its own list

(def failed (atom 0))

(defn check
  "Prints `ok NAME`, or `FAIL NAME` and what was seen."
  [label ok? & seen]
  (if ok?
    (println "ok" label)
    (do (swap! failed inc)
        (println "FAIL" label (pr-str (vec seen))))))

(defn check=
  "Checks that the two are equal in Clojure."
  [label want got]
  (check label (= want got) {:want want :got got}))

(defn signal
  "Tells the driver that its turn has come, as `# WORD`."
  [word]
  (println "#" word))

(defn run
  "Runs a script: (run (fn [] promise)). Ends the process."
  [f]
  (-> (p/do (f))
      (p/then (fn [_] (println "done")
                (js/process.exit (if (pos? @failed) 1 0))))
      (p/catch (fn [e]
                 (println "FAIL script" (pr-str (ex-message e)) (pr-str (ex-data e)))
                 (js/console.error e)
                 (js/process.exit 1)))))

;; ---- reading

(defn read-frame
  "The one form of a frame. Throws when the reader refuses it, or when it
  holds more or less than one form. Unknown tags become tagged literals."
  [text]
  (let [forms (edn/read-string {:default tagged-literal} (str "[" text "\n]"))]
    (when (not= 1 (count forms))
      (throw (ex-info "a frame must hold one form" {:text text})))
    (first forms)))

;; ---- sockets

(defn- settle
  "Hands waiting takers what they wait for. A taker is
  [pred resolve reject]."
  [c]
  (doseq [[pred resolve :as taker] (:takers @c)]
    (when-let [i (first (keep-indexed (fn [i f] (when (pred (:form f)) i)) (:inbox @c)))]
      (let [f (nth (:inbox @c) i)]
        (swap! c (fn [s] (-> s
                             (update :inbox #(into (subvec % 0 i) (subvec % (inc i))))
                             (update :takers (fn [ts] (filterv #(not (identical? taker %)) ts))))))
        (resolve f)))))

(defn- write [c text] (.send ^js (:ws @c) text))

(defn send-text "Sends a text as it stands." [c text] (write c text))

(defn send-event
  "Prints and sends a value."
  [c v]
  (write c (pr-str v)))

(declare open-socket)

(defn- on-form [c text form]
  (let [id (when (vector? form) (first form))]
    (case id
      ;; As the real client does it: an answer for each ping, unseen by the application.
      :chsk/ws-ping (do (swap! c update :pings inc)
                        (send-event c [:chsk/ws-pong]))
      :chsk/handshake (do (swap! c assoc :handshake (second form)
                                 :conn-id (-> form second (nth 2) :conn-id))
                          (doseq [ch (:channels @c)]
                            (send-event c [:sente-lite/subscribe {:channel-id ch}]))
                          (swap! c update :inbox conj {:form form :text text}))
      (swap! c update :inbox conj {:form form :text text}))
    (settle c)))

(defn- on-close [c code]
  (swap! c update :closes conj code)
  (when-let [f (:on-close @c)] (f code))
  (cond
    (:ended @c) nil
    (:reconnect @c) (do (swap! c update :at inc)
                        (js/setTimeout #(open-socket c) 50))
    ;; Nothing will come any more; who waits need not wait out the patience.
    :else (doseq [[_ _ reject] (:takers @c)]
            (reject (ex-info "the socket was closed" {:name (:name @c) :code code :error (:error @c)})))))

(defn- open-socket [c]
  (let [{:keys [urls at]} @c
        ws (new WebSocket (nth urls (mod at (count urls))))]
    (swap! c assoc :ws ws)
    (.on ws "message"
         (fn [data binary?]
           (let [text (.toString data "utf8")]
             (try
               (when binary? (throw (ex-info "a binary frame" {})))
               (on-form c text (read-frame text))
               (catch :default e
                 (swap! failed inc)
                 (println "FAIL readable" (pr-str (ex-message e)) (subs text 0 (min 400 (count text)))))))))
    ;; A refused connection is an error and then a close; the close decides.
    (.on ws "error" (fn [e] (swap! c assoc :error (.-message e))))
    (.on ws "close" (fn [code _] (on-close c code)))
    ws))

(defn take-frame
  "A promise of the first frame, read or to come, whose form satisfies pred; it
  leaves the inbox. The promise fails after the patience is over."
  ([c pred] (take-frame c pred "a frame"))
  ([c pred what]
   (p/create
    (fn [resolve reject]
      (let [timer (js/setTimeout
                   #(reject (ex-info (str "waited in vain for " what)
                                     {:name (:name @c) :inbox (mapv :form (:inbox @c))
                                      :closes (:closes @c) :error (:error @c)}))
                   patience)]
        (swap! c update :takers conj [pred
                                      (fn [f] (js/clearTimeout timer) (resolve f))
                                      (fn [e] (js/clearTimeout timer) (reject e))])
        (settle c))))))

(defn take-form
  "As take-frame, of the form alone."
  ([c pred] (take-form c pred "a form"))
  ([c pred what] (p/then (take-frame c pred what) :form)))

(defn event? "Is the form an event of this id?" [id]
  (fn [form] (and (vector? form) (= id (first form)))))

(defn forms "Forms that nobody has taken." [c] (mapv :form (:inbox @c)))

(defn connect
  "A promise of a client whose handshake has come. The handshake stays in
  :handshake. Options: :urls (the first is connected to, the others are for
  :reconnect), :uid, :channels (subscribed by itself after every handshake),
  :reconnect, :name."
  [{:keys [urls uid] :as options}]
  (let [with-uid (fn [u] (if uid (str u "?uid=" (js/encodeURIComponent uid)) u))
        c (atom (merge {:inbox [] :takers [] :closes [] :pings 0 :at 0 :channels []}
                       options
                       {:urls (mapv with-uid urls)}))]
    (open-socket c)
    (p/then (take-frame c (event? :chsk/handshake) "the handshake") (fn [_] c))))

(defn disconnect [c]
  (swap! c assoc :ended true)
  (.close ^js (:ws @c) 1000))

(defn closed
  "A promise of the next close code of the client's socket."
  [c]
  (p/create (fn [resolve reject]
              (let [timer (js/setTimeout #(reject (ex-info "waited in vain for a close" {:name (:name @c)})) patience)]
                (swap! c assoc :on-close (fn [code] (js/clearTimeout timer) (resolve code)))))))

;; ---- what clients say

(def ^:private callbacks (atom 0))

(defn call
  "Sends an event with a callback; a promise of the value that answers it."
  [c event]
  (let [cb (str "cb" (swap! callbacks inc))]
    (send-event c [event cb])
    (p/then (take-form c (fn [form] (and (vector? form) (= 2 (count form)) (= cb (second form))))
                       (pr-str event))
            first)))

(defn subscribed
  "A promise of the body of the answer about this channel."
  [c ch]
  (p/then (take-form c (fn [form] (and ((event? :sente-lite/subscribed) form)
                                       (= ch (:channel-id (second form)))))
                     (str "the answer about " (pr-str ch)))
          second))

(defn subscribe [c ch]
  (send-event c [:sente-lite/subscribe {:channel-id ch}])
  (subscribed c ch))

(defn unsubscribe [c ch]
  (send-event c [:sente-lite/unsubscribe {:channel-id ch}])
  (subscribed c ch))

(defn publish
  ([c ch data] (publish c ch data {}))
  ([c ch data more]
   (send-event c [:sente-lite/publish (merge {:channel-id ch :data data} more)])))

(defn message
  "A promise of the body of the next message on this channel."
  [c ch]
  (p/then (take-form c (fn [form] (and ((event? :sente-lite/channel-msg) form)
                                       (= ch (:channel-id (second form)))))
                     (str "a message on " (pr-str ch)))
          second))

(defn messages
  "A promise of the data of the next n messages on this channel."
  [c ch n]
  (p/loop [got []]
    (if (= n (count got))
      got
      (p/let [m (message c ch)]
        (p/recur (conj got (:data m)))))))

(defn until
  "Asks again and again until the promise that f makes holds something that
  satisfies pred; a promise of that. For what has no moment that a client could
  hear of: a foreign backend's interest on its way to another server."
  [f pred what]
  (let [end (+ (js/Date.now) patience)]
    (p/loop []
      (p/let [v (f)]
        (cond
          (pred v) v
          (> (js/Date.now) end) (throw (ex-info (str "waited in vain for " what) {:last v}))
          :else (p/do (p/delay 25) (p/recur)))))))
