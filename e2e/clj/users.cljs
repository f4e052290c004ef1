(ns users
  "A user with sockets on all three nodes; backends push to users, to one
  socket, to a channel and to everyone, without any of the project's code."
  (:require ["node:child_process" :as cp]
            [client :as c :refer [check check=]]
            [promesa.core :as p]))

(defn push
  "Asks a backend to publish a body on a subject; a promise of its answer."
  ([cl backend subject body] (push cl backend subject body nil))
  ([cl backend subject body exclude]
   (c/call cl [(keyword (str "e2e." (name backend)) "push")
               (js/JSON.stringify (clj->js (cond-> {:subject subject :body body}
                                             exclude (assoc :exclude exclude))))])))

(defn conn-subject [conn-id] (str "hoshi.conn." (subs conn-id 29) "." conn-id))

(defn hoshi
  "Runs the project's own command; a promise of {:code :out :err}."
  [& args]
  (p/create (fn [resolve _]
              (cp/execFile (:hoshi c/settings) (clj->js args)
                           (fn [e out err]
                             (resolve {:code (if e (.-code e) 0) :out out :err err}))))))

(defn heard-once
  "A promise: every client hears the event, and hears nothing else before it."
  [clients event]
  (p/let [frames (p/all (for [cl clients] (c/take-form cl (constantly true) (pr-str event))))]
    (= (repeat (count clients) event) frames)))

(defn main []
  (let [urls (:nodes c/settings)
        nats (nth (:nats c/settings) 2)]
    (p/let [alices (p/all (for [u urls] (c/connect {:urls [u] :uid "alice" :name (str "alice " u)})))
            second-tab (c/connect {:urls [(first urls)] :uid "alice" :name "alice's second tab"})
            bob (c/connect {:urls [(second urls)] :uid "bob@example.com" :name "bob"})
            keyword-user (c/connect {:urls [(second urls)] :uid ":alice" :name "a string that looks like a keyword"})
            guest (c/connect {:urls [(nth urls 2)] :name "guest"})
            everyone (vec (concat alices [second-tab bob keyword-user guest]))
            alice (vec (conj (vec alices) second-tab))
            _ (c/until #(c/call guest [:e2e.nats/echo 1]) map? "the backend with the npm client")
            _ (c/until #(c/call guest [:e2e.tcp/echo 1]) map? "the backend on a bare socket")]
      (check= "uids" ["alice" "alice" "alice" "alice" "bob@example.com" ":alice" (:conn-id @guest)]
              (mapv #(first (:handshake @%)) everyone))

      ;; One push reaches every socket of the user, each once, and nobody else.
      (p/let [r1 (push guest :nats "hoshi.user.alice" "[:chat/hi {:n 1}]")
              all-1 (heard-once alice [:chat/hi {:n 1}])
              r2 (push guest :tcp "hoshi.user.alice" "[:chat/hi #:msg{:n 2 :tags #{:a \"b\"}}]")
              all-2 (heard-once alice [:chat/hi {:msg/n 2 :msg/tags #{:a "b"}}])]
        (check= "push-npm-client" [:pushed true] [r1 all-1])
        (check= "push-bare-socket" [:pushed true] [r2 all-2]))
      (p/let [r (hoshi "pub" "--nats-url" nats "user" "alice" "[:chat/hi {:n 3}]")
              all (heard-once alice [:chat/hi {:n 3}])]
        (check "push-hoshi-pub" (and (= 0 (:code r)) all) r))
      (p/let [r (hoshi "pub" "--nats-url" nats "user" "alice" "[:chat/hi {:n}]")]
        (check "hoshi-pub-refuses-bad-edn" (and (not= 0 (:code r)) (seq (:err r))) r))
      (p/let [r (hoshi "pub" "--nats-url" nats "user" "nobody" "[:chat/hi {:n 4}]")]
        (check "hoshi-pub-says-nobody-hears" (re-find #"(?i)nobody|no one|no subscriber" (str (:out r) (:err r))) r))

      ;; A uid is a string of any kind; its token is written out here by hand.
      (p/let [_ (push guest :nats "hoshi.user.bob@example%2Ecom" "[:chat/hi :bob]")
              bob-ok (heard-once [bob] [:chat/hi :bob])
              _ (push guest :tcp "hoshi.user.%3Aalice" "[:chat/hi :colon]")
              colon-ok (heard-once [keyword-user] [:chat/hi :colon])]
        (check= "escaped-uids" [true true] [bob-ok colon-ok]))

      ;; One socket alone, wherever it is.
      (p/let [_ (push guest :tcp (conn-subject (:conn-id @(nth alices 1))) "[:chat/you \"only you\"]")
              one (heard-once [(nth alices 1)] [:chat/you "only you"])
              _ (push bob :nats (conn-subject (:conn-id @guest)) "[:chat/you :guest]")
              other (heard-once [guest] [:chat/you :guest])]
        (check= "push-conn" [true true] [one other]))

      ;; Everyone; then everyone but one, told by a fence.
      (p/let [_ (push guest :nats "hoshi.all" "[:news/all {:at #inst \"2026-01-01\"}]")
              all (heard-once everyone [:news/all {:at #inst "2026-01-01"}])
              _ (push guest :tcp "hoshi.all" "[:news/all 2]" (:conn-id @bob))
              _ (push guest :tcp "hoshi.all" "[:news/all 3]")
              others (p/all (for [n [2 3]] (heard-once (remove #{bob} everyone) [:news/all n])))
              bobs (heard-once [bob] [:news/all 3])]
        (check "push-all" all)
        (check= "push-all-exclude" [[true true] true] [(vec others) bobs]))

      ;; A backend publishes in a channel; there is no :from then.
      (p/let [subs (p/all (for [cl alices] (c/subscribe cl :news/sport)))
              _ (push guest :nats "hoshi.chan.:news/sport" "{:score [3 1]}")
              got (p/all (for [cl alices] (c/message cl :news/sport)))]
        (check= "push-channel" (repeat 3 {:channel-id :news/sport :data {:score [3 1]}}) got))

      ;; What is no EDN event, or speaks in a reserved name, reaches no socket.
      (p/let [_ (p/all (for [body ["[:chat/hi {:a 1 :a 2}]" "[:chat/hi" "hello" "[:chsk/handshake [1]]"
                                   "[:sente-lite/channel-msg {}]"]]
                         (push guest :nats "hoshi.user.alice" body)))
              _ (push guest :nats "hoshi.user.alice" "[:chat/hi :after]")
              ok (heard-once alice [:chat/hi :after])]
        (check "bad-pushes-dropped" ok))

      ;; [:chsk/close] ends the sockets of a user.
      (p/let [gone (p/let [closing (p/all [(p/let [w (c/closed bob)] w)
                                           (push guest :nats "hoshi.user.bob@example%2Ecom" "[:chsk/close]")])]
                     (first closing))]
        (check= "push-close" 1000 gone))
      (check= "nothing-else" (repeat (count everyone) []) (map c/forms everyone)))))

(c/run main)
