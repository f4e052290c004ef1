(ns sente
  "Sente's wire by hand, as its client in the browser speaks it since 1.21: a
  WebSocket, or, where the first ends in an error before it was ever open, Ajax
  from then on. A client is an atom; events wait in :inbox until they are taken."
  (:require [checks :refer [patience until]]
            [clojure.edn :as edn]
            [clojure.string :as str]
            [promesa.core :as p]))

(defn- receive
  "Takes one frame, as Sente's client takes it apart."
  [c text reply?]
  (let [[said cb :as frame] (edn/read-string text)]
    (when (not= 2 (count frame)) (throw (ex-info "a frame must have two elements" {:text text})))
    (swap! c update :frames inc)
    (cond
      (and (vector? said) (= :chsk/handshake (first said)))
      (swap! c #(-> % (assoc :open? true :ever-open? true :retries 0 :handshake (second said))
                    (update :handshakes inc)))
      (= said :chsk/ws-ping) ((:send-fn @c) [:chsk/ws-pong] nil)
      (or reply? cb) (if-let [f (get-in @c [:callbacks cb])]
                       (do (swap! c update :callbacks dissoc cb) (f said))
                       (when-not (= said :chsk/dummy-cb-200) (throw (ex-info "nobody waits for this" {:text text}))))
      (= said :chsk/timeout) nil
      :else (doseq [[id :as ev] said]
              (assert (and (vector? ev) (qualified-keyword? id) (not= "chsk" (namespace id))) text)
              (swap! c update :inbox conj ev)))))

(defn- query [m]
  (str/join "&" (for [[k v] m] (str (js/encodeURIComponent (name k)) "=" (js/encodeURIComponent v)))))

(defn- backoff
  "Milliseconds before attempt n: none before the first."
  [n]
  (if (= n 1) 0 (* (min 2000 (* 100 (js/Math.pow 2 n))) (+ 0.5 (* 0.5 (rand))))))

;; ---- WebSocket

(declare poll)

(defn- open-socket [c]
  (let [{:keys [client-id params]} @c
        ws (js/WebSocket. (str "ws://" js/location.host "/chsk?" (query (assoc params :client-id client-id :csrf-token "tok"))))]
    (swap! c assoc :ws ws :type :ws
           :send-fn (fn [ev cb] (.send (:ws @c) (pr-str [ev cb]))))
    (set! (.-binaryType ws) "arraybuffer")
    (set! (.-onmessage ws) (fn [e] (receive c (.-data e) false)))
    (set! (.-onerror ws) (fn [_] (when-not (:ever-open? @c)
                                   (swap! c assoc :type :ajax)
                                   (poll c))))
    (set! (.-onclose ws) (fn [e]
                           (swap! c #(-> % (assoc :open? false) (update :closes conj (.-code e)) (update :retries inc)))
                           (when (and (= :ws (:type @c)) (not (:ended? @c)))
                             (js/setTimeout #(open-socket c) (backoff (:retries @c))))))))

;; ---- Ajax

(defn- request
  "Calls done with the status and the text of the answer; 0 where there is none."
  [method url body done]
  (let [xhr (js/XMLHttpRequest.)]
    (.open xhr method url)
    (.setRequestHeader xhr "X-CSRF-Token" "tok")
    (.setRequestHeader xhr "X-Requested-With" "XMLHTTPRequest")
    (when body (.setRequestHeader xhr "Content-Type" "application/x-www-form-urlencoded; charset=UTF-8"))
    (set! (.-timeout xhr) 60000)
    (set! (.-onloadend xhr) (fn [_] (done (.-status xhr) (.-responseText xhr))))
    (.send xhr body)
    xhr))

(defn- post
  "Sends an event. Its params go with it, as up to 1.20: later clients leave them
  out, and say who they are by a cookie or a header."
  [c ev cb]
  (request "POST" "/chsk"
           (query (assoc (:params @c) :udt (js/Date.now) :client-id (:client-id @c) :ppstr (pr-str [ev (when cb :ajax)])))
           (fn [status text]
             (if (= 200 status)
               ;; An answer has no name: it belongs to its request.
               (let [[said _] (edn/read-string text)]
                 (receive c (pr-str [said (or cb :none)]) true))
               (do (swap! c #(-> % (assoc :open? false) (update :refused conj status)))
                   (when-let [f (get-in @c [:callbacks cb])] (f :chsk/error)))))))

(defn- poll [c]
  (let [{:keys [client-id params open? ended?]} @c]
    (when-not ended?
      (swap! c assoc :send-fn (fn [ev cb] (post c ev cb))
             :xhr (request "GET"
                           (str "/chsk?" (query (cond-> (assoc params :udt (js/Date.now) :client-id client-id)
                                                  (not open?) (assoc "handshake?" 1))))
                           nil
                           (fn [status text]
                             (if (= 200 status)
                               (do (receive c text false)
                                   (swap! c #(-> % (assoc :open? true :retries 0) (update :polls inc)))
                                   (poll c))
                               (do (swap! c #(-> % (assoc :open? false) (update :refused conj status) (update :retries inc)))
                                   (js/setTimeout #(poll c) (backoff (:retries @c)))))))))))

;; ---- What the pages use

(defn connect
  "A client that has begun to connect."
  [params]
  (doto (atom {:client-id (str (random-uuid)) :params params :callbacks {} :inbox [] :closes [] :refused []
               :handshakes 0 :frames 0 :polls 0 :retries 0})
    open-socket))

(defn send-event "Sends an event that has no answer." [c ev] ((:send-fn @c) ev nil))

(defn call
  "A promise of the answer to an event; :chsk/closed where the client is not open."
  [c ev]
  (if-not (:open? @c)
    (p/resolved :chsk/closed)
    (let [cb (subs (str (random-uuid)) 0 6)]
      (p/create (fn [resolve reject]
                  (let [timer (js/setTimeout #(reject (ex-info "no answer" {:event ev})) patience)]
                    (swap! c assoc-in [:callbacks cb] (fn [v] (js/clearTimeout timer) (resolve v)))
                    ((:send-fn @c) ev cb)))))))

(defn take-events
  "A promise of the next n events, which leave the inbox."
  [c n]
  (p/do (until #(<= n (count (:inbox @c))) (str n " events, has " (count (:inbox @c))))
        (let [got (subvec (:inbox @c) 0 n)]
          (swap! c update :inbox subvec n)
          got)))

(defn end "Ends a client." [c]
  (swap! c assoc :ended? true)
  (when (= :ws (:type @c)) (.close (:ws @c) 1000 "CLOSE_NORMAL"))
  (some-> (:xhr @c) .abort))
