//! What is given up is seen and can be tried again; what waits says for what; what is late is a
//! problem, and goes when its cause does.

use crate::harness::{Hotel, Portal, shown};
use chrono::{DateTime, Duration, Utc};
use portal_domain::{DeviceRule, ReservationId, Role, WorkerId};
use portal_jobs::{Job, ReconcileAccess, enqueue, sweep};
use portal_mews::fake::{Booking, Fault};
use portal_store::job::{self, Claim};
use portal_store::page::Page;
use portal_store::{device, due, reservation};
use portal_virtual::fake::{Fault as LockFault, Operation};
use serde_json::{Value, json};

const PROBLEMS: &str = "query($id: ID!, $gone: Boolean!) { property(id: $id) {
    problems(resolved: $gone, first: 100) { nodes { id key critical count message fix resolvedAt
      dismissedBy { kind name } subject { __typename id } } } } }";

const JOBS: &str = "query($id: ID!, $first: Int, $after: String) { property(id: $id) {
    quarantinedJobs(first: $first, after: $after) { pageInfo { hasNextPage endCursor }
      nodes { id kind code attempts quarantinedAt message integration { id }
        reservation { number } } } } }";

const WAITING: &str = "query($id: ID!, $number: String!) { property(id: $id) {
    reservations(filter: {number: $number}, transfer: [TRANSFERRED, ENDED]) { nodes { deciding startsAt
      keychains { nodes { provisioning pmsCopy { id status waitingFor waitingSince message attempts
            nextAttemptAt deadline lastError }
        doors { devicePins { id status waitingFor waitingSince message attempts nextAttemptAt deadline
            lastError confirmed { how } } } } } } } } }";

impl Hotel<'_> {
    async fn problems(&self, gone: bool) -> Vec<Value> {
        let variables = json!({ "id": self.id, "gone": gone });
        let mut answer = self.ask(PROBLEMS, variables).await;
        let nodes = answer["property"]["problems"]["nodes"].take();
        nodes.as_array().cloned().unwrap_or_default()
    }

    /// The open problem of this key.
    async fn problem(&self, key: &str) -> Option<Value> {
        let all = self.problems(false).await;
        all.into_iter().find(|problem| problem["key"] == key)
    }

    async fn given_up(&self) -> Vec<Value> {
        let mut answer = self.ask(JOBS, json!({ "id": self.id })).await;
        let nodes = answer["property"]["quarantinedJobs"]["nodes"].take();
        nodes.as_array().cloned().unwrap_or_default()
    }

    /// The first keychain of a stay with how its copies stand.
    async fn waiting(&self, number: &str) -> Value {
        let variables = json!({ "id": self.id, "number": number });
        let mut answer = self.ask(WAITING, variables).await;
        answer["property"]["reservations"]["nodes"][0]["keychains"]["nodes"][0].take()
    }

    async fn device_pin(&self, number: &str) -> Value {
        self.waiting(number).await["doors"][0]["devicePins"][0].take()
    }

    async fn pms_copy(&self, number: &str) -> Value {
        self.waiting(number).await["pmsCopy"].take()
    }

    /// Asks for something once more. Gives the payload.
    async fn retry(&self, what: &str, field: &str, id: &Value) -> Value {
        let query = format!(
            "mutation($id: ID!) {{ x: {what}(input: {{{field}: $id}}) {{ userErrors {{ field code message }} }} }}"
        );
        let mut answer = self.ask(&query, json!({ "id": id })).await;
        answer["x"]["userErrors"].take()
    }

    async fn reservation_id(&self, number: &str) -> ReservationId {
        let mut conn = self.portal.env.db.read().await.expect("an answer");
        let filter = reservation::Filter {
            number: Some(number.to_owned()),
            ..reservation::Filter::default()
        };
        let page = Page::first(1);
        let rows = reservation::page(&mut conn, self.property, &filter, &page).await;
        rows.expect("an answer")[0].id
    }

    /// Gives up deciding about a stay, as if it had failed too often.
    pub(crate) async fn give_up(&self, number: &str) {
        let env = &self.portal.env;
        let reservation = self.reservation_id(number).await;
        let mut tx = env.db.begin().await.expect("an answer");
        let asked = ReconcileAccess {
            property: self.property,
            reservation,
        };
        enqueue(&mut tx, env.now(), &asked)
            .await
            .expect("an answer");
        tx.commit().await.expect("an answer");
        let lease = WorkerId::new();
        let ask = Claim {
            kind: ReconcileAccess::KIND,
            lease,
            lease_until: env.now() + Duration::minutes(1),
            busy: &[],
            limit: 1,
        };
        let claimed = job::claim(&env.db, env.now(), &ask)
            .await
            .expect("an answer");
        let fence = claimed[0].fence(lease);
        job::quarantine(&env.db, env.now(), &fence, "EXHAUSTED")
            .await
            .expect("an answer");
    }

    async fn audited(&self, action: &str) -> usize {
        let mut conn = self.portal.env.db.read().await.expect("an answer");
        let house = portal_store::property::by_id(&mut conn, self.property).await;
        let organization = house
            .expect("an answer")
            .expect("an answer")
            .organization_id;
        let log = portal_store::audit::all(&mut conn, organization).await;
        log.expect("an answer")
            .iter()
            .filter(|e| e.action == action)
            .count()
    }
}

fn code(errors: &Value) -> &str {
    errors[0]["code"].as_str().unwrap_or_default()
}

async fn hotel<'a>(portal: &'a Portal, name: &str) -> Hotel<'a> {
    portal
        .hotel(name)
        .await
        .with_mews()
        .await
        .with_door("101")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_was_given_up_is_listed_where_it_belongs_and_runs_again_when_asked() {
    let portal = Portal::start().await;
    let hotel = hotel(&portal, "Aurora").await;
    let other = portal.house("Borealis", &[]).await;
    for number in ["31", "32", "33"] {
        hotel.book(number, Some("101"));
    }
    portal.next_look().await;
    for number in ["31", "32", "33"] {
        hotel.give_up(number).await;
        portal.clock.advance(Duration::seconds(1));
    }
    let jobs = hotel.given_up().await;
    let numbers: Vec<&Value> = jobs.iter().map(|j| &j["reservation"]["number"]).collect();
    assert_eq!(
        numbers,
        [&json!("33"), &json!("32"), &json!("31")],
        "newest first"
    );
    assert_eq!(jobs[2]["kind"], json!("reconcile-access"));
    assert_eq!(jobs[2]["code"], json!("EXHAUSTED"));
    assert_eq!(jobs[2]["attempts"], json!(1));
    assert_eq!(
        jobs[2]["message"],
        json!("Deciding about a reservation was given up: it failed 25 times in a row.")
    );
    let page = |after: Value| json!({ "id": hotel.id, "first": 2, "after": after });
    let answer = hotel.ask(JOBS, page(Value::Null)).await;
    let first = &answer["property"]["quarantinedJobs"];
    assert_eq!(first["nodes"].as_array().map(Vec::len), Some(2));
    assert_eq!(first["pageInfo"]["hasNextPage"], json!(true));
    let answer = hotel
        .ask(JOBS, page(first["pageInfo"]["endCursor"].clone()))
        .await;
    let rest = &answer["property"]["quarantinedJobs"];
    assert_eq!(rest["nodes"][0]["id"], jobs[2]["id"]);
    assert_eq!(rest["pageInfo"]["hasNextPage"], json!(false));

    // Elsewhere it is not there, and who may not change keychains sees none.
    assert!(other.given_up().await.is_empty());
    assert_eq!(
        code(&other.retry("jobRetry", "job", &jobs[2]["id"]).await),
        "JOB_NOT_FOUND"
    );
    let cleaner = portal.person(&hotel, Role::Housekeeping).await;
    let variables = json!({ "id": hotel.id });
    assert_eq!(cleaner.refused(JOBS, variables).await, "FORBIDDEN");

    // A problem, counted once a minute however often somebody looks.
    for _ in 0..3 {
        portal.settle().await;
    }
    let of_31 = |problems: Vec<Value>| {
        let found = problems
            .into_iter()
            .find(|p| p["subject"]["id"] == jobs[2]["id"]);
        found.expect("a problem about the job")
    };
    let problem = of_31(hotel.problems(false).await);
    assert_eq!(
        (
            &problem["key"],
            &problem["critical"],
            &problem["count"],
            &problem["fix"]
        ),
        (
            &json!("job.quarantined"),
            &json!(true),
            &json!(1),
            &json!("jobRetry")
        )
    );
    assert_eq!(problem["subject"]["__typename"], json!("QuarantinedJob"));
    portal.later(Duration::seconds(61)).await;
    assert_eq!(of_31(hotel.problems(false).await)["count"], json!(2));

    assert_eq!(
        hotel.retry("jobRetry", "job", &jobs[2]["id"]).await,
        json!([])
    );
    let again = hotel.retry("jobRetry", "job", &jobs[2]["id"]).await;
    assert_eq!(code(&again), "NOTHING_TO_RETRY");
    portal.settle().await;
    let gone = hotel.retry("jobRetry", "job", &jobs[2]["id"]).await;
    assert_eq!(code(&gone), "JOB_NOT_FOUND");
    assert_eq!(hotel.given_up().await.len(), 2);
    let resolved = hotel.problems(true).await;
    let found = resolved.iter().find(|gone| gone["id"] == problem["id"]);
    let found = found.expect("it went away");
    assert_ne!(found["resolvedAt"], Value::Null);
    assert_eq!(found["subject"], Value::Null, "the job is gone");
    assert_eq!(hotel.audited("jobRetry").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_a_lock_refused_is_put_there_when_a_person_asks() {
    let portal = Portal::start().await;
    let hotel = hotel(&portal, "Aurora").await;
    let other = portal.hotel("Borealis").await;
    let fault = LockFault::Status { status: 422 };
    portal.locks.inject(fault, Some(Operation::Put), 1);
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let pin = hotel.device_pin("31").await;
    assert_eq!(pin["status"], json!("BLOCKED"));
    assert_eq!(pin["waitingFor"], json!("PERSON"));
    assert_eq!(
        pin["message"],
        json!("The request was understood and declined. A person has to act.")
    );
    let problem = hotel.problem("device_pin.blocked").await.unwrap();
    assert_eq!(problem["fix"], json!("devicePinRetry"));
    assert_eq!(
        problem["subject"],
        json!({"__typename": "DevicePin", "id": pin["id"]})
    );
    let id = &pin["id"];
    let foreign = other.retry("devicePinRetry", "devicePin", id).await;
    assert_eq!(code(&foreign), "DEVICE_PIN_NOT_FOUND");
    assert_eq!(hotel.device_pin("31").await["status"], json!("BLOCKED"));

    assert_eq!(
        hotel.retry("devicePinRetry", "devicePin", id).await,
        json!([])
    );
    assert!(hotel.problem("device_pin.blocked").await.is_none());
    portal.settle().await;
    assert_eq!(hotel.device_pin("31").await["status"], json!("SET"));
    let expected = json!([{ "field": "devicePin", "code": "NOTHING_TO_RETRY",
        "message": "It is on the lock. There is nothing to do." }]);
    assert_eq!(
        hotel.retry("devicePinRetry", "devicePin", id).await,
        expected
    );
    assert_eq!(hotel.audited("devicePinRetry").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_the_pms_declined_is_stored_when_a_person_asks() {
    let portal = Portal::start().await;
    let hotel = hotel(&portal, "Aurora").await;
    let other = portal.hotel("Borealis").await;
    let add = Some("resourceAccessTokens/add");
    portal.mews.inject(Fault::Status { status: 403 }, add, 1);
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let copy = hotel.pms_copy("31").await;
    assert_eq!(copy["status"], json!("REFUSED"));
    let id = &copy["id"];
    let problem = hotel.problem("pin_push.refused").await.unwrap();
    assert_eq!(
        problem["subject"],
        json!({"__typename": "PinPush", "id": id})
    );
    let foreign = other.retry("pinPushRetry", "pinPush", id).await;
    assert_eq!(code(&foreign), "PIN_PUSH_NOT_FOUND");
    assert_eq!(hotel.retry("pinPushRetry", "pinPush", id).await, json!([]));
    portal.settle().await;
    assert_eq!(hotel.pms_copy("31").await["status"], json!("STORED"));
    assert_eq!(hotel.in_mews("31").len(), 1);
    let done = hotel.retry("pinPushRetry", "pinPush", id).await;
    assert_eq!(code(&done), "NOTHING_TO_RETRY");

    // While nobody can be asked, that is said.
    portal.mews.inject(Fault::Status { status: 403 }, add, 1);
    hotel.book("32", Some("101"));
    portal.next_look().await;
    let id = hotel.pms_copy("32").await["id"].clone();
    portal.mews.revoke_token(&hotel.token);
    portal.next_look().await;
    portal.later(Duration::seconds(95)).await;
    let broken = hotel.retry("pinPushRetry", "pinPush", &id).await;
    assert_eq!(code(&broken), "NOT_CONNECTED");
    assert_eq!(hotel.pms_copy("32").await["status"], json!("REFUSED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_put_aside_comes_back_when_it_happens_anew_and_not_before() {
    let portal = Portal::start().await;
    let hotel = hotel(&portal, "Aurora").await;
    let other = portal.hotel("Borealis").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    hotel.give_up("31").await;
    portal.settle().await;
    let problem = hotel.problem("job.quarantined").await.unwrap();
    let id = &problem["id"];
    let foreign = other.retry("problemDismiss", "problem", id).await;
    assert_eq!(code(&foreign), "PROBLEM_NOT_FOUND");
    let installer = portal.person(&hotel, Role::Installer).await;
    let dismiss =
        "mutation($id: ID!) { problemDismiss(input: {problem: $id}) { userErrors { code } } }";
    let answer = installer.run(dismiss, json!({ "id": id })).await;
    let code_of = code(&answer["problemDismiss"]["userErrors"]).to_owned();
    assert_eq!(
        code_of, "PROBLEM_NOT_FOUND",
        "an installer sees those of locks"
    );

    assert_eq!(
        hotel.retry("problemDismiss", "problem", id).await,
        json!([])
    );
    assert_eq!(
        hotel.retry("problemDismiss", "problem", id).await,
        json!([]),
        "harmless"
    );
    assert_eq!(hotel.audited("problemDismiss").await, 1);
    portal.later(Duration::minutes(5)).await;
    assert!(
        hotel.problem("job.quarantined").await.is_none(),
        "it lasts, and stays aside"
    );
    let aside = hotel.problems(true).await;
    let expected = json!({ "kind": "USER", "name": "Olive Owner" });
    assert_eq!(aside[0]["dismissedBy"], expected);
    assert_eq!(aside[0]["resolvedAt"], Value::Null);

    let job = hotel.given_up().await[0]["id"].clone();
    hotel.retry("jobRetry", "job", &job).await;
    portal.settle().await;
    hotel.give_up("31").await;
    portal.settle().await;
    let anew = hotel.problem("job.quarantined").await.unwrap();
    assert_ne!(&anew["id"], id);
    let job = hotel.given_up().await[0]["id"].clone();
    hotel.retry("jobRetry", "job", &job).await;
    let gone = hotel.retry("problemDismiss", "problem", &anew["id"]).await;
    assert_eq!(code(&gone), "ALREADY_RESOLVED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_says_for_what_since_when_and_until_when() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    portal.locks.set_online(&lock, false);
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let asked = portal.env.now();
    let pin = hotel.device_pin("31").await;
    assert_eq!(pin["status"], json!("WAITING"));
    assert_eq!(pin["waitingFor"], json!("DEVICE"));
    assert_eq!(pin["message"], json!("The lock cannot be reached."));
    assert_eq!(time(&pin["waitingSince"]), asked);
    assert!(pin["attempts"].as_i64() >= Some(1));
    assert!(time(&pin["nextAttemptAt"]) > asked);
    let stay = hotel.reservation("31").await;
    assert_eq!(pin["deadline"], stay["keychain"]["startsAt"]);
    let copy = hotel.pms_copy("31").await;
    assert_eq!(copy["waitingFor"], json!("DOOR"));
    assert_eq!(
        copy["message"],
        json!("Waits until the lock has taken the PIN.")
    );
    assert_eq!(copy["deadline"], stay["keychain"]["startsAt"]);
    let door = hotel.retry("pinPushRetry", "pinPush", &copy["id"]).await;
    assert_eq!(
        door[0]["message"],
        json!("It waits until the lock has taken the PIN. Look at the lock first.")
    );

    // Somebody changed the battery and does not want to wait for the next try.
    portal.later(Duration::minutes(40)).await;
    portal.locks.set_online(&lock, true);
    let id = hotel.device_pin("31").await["id"].clone();
    assert_eq!(
        hotel.retry("devicePinRetry", "devicePin", &id).await,
        json!([])
    );
    portal.settle().await;
    let pin = hotel.device_pin("31").await;
    assert_eq!(
        (
            &pin["status"],
            &pin["waitingFor"],
            &pin["waitingSince"],
            &pin["deadline"]
        ),
        (&json!("SET"), &Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(
        hotel.pms_copy("31").await["message"],
        json!("It is stored.")
    );
}

fn time(value: &Value) -> DateTime<Utc> {
    let text = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
    text.parse().expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keychain_that_is_not_on_the_lock_before_arrival_is_a_problem_and_becomes_critical() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    portal.locks.set_online(&lock, false);
    hotel.book("31", Some("101"));
    portal.next_look().await;
    assert!(
        hotel.problem("keychain.not_ready").await.is_none(),
        "it has time yet"
    );
    portal.later(Duration::minutes(3)).await;
    let problem = hotel.problem("keychain.not_ready").await.unwrap();
    assert_eq!(
        (&problem["critical"], &problem["fix"]),
        (&json!(false), &json!("devicePinRetry"))
    );
    assert_eq!(
        problem["message"],
        json!(
            "The PIN of reservation 31 is not on the lock of the room, and the guest arrives within 24 hours."
        )
    );
    hotel
        .retry("problemDismiss", "problem", &problem["id"])
        .await;
    portal.later(Duration::minutes(30)).await;
    assert!(hotel.problem("keychain.not_ready").await.is_none());
    portal.later(Duration::minutes(40)).await;
    let problem = hotel
        .problem("keychain.not_ready")
        .await
        .expect("it comes back");
    assert_eq!(problem["critical"], json!(true));
    portal.later(Duration::hours(4)).await;
    let problem = hotel.problem("keychain.not_ready").await.unwrap();
    assert_eq!(
        problem["message"],
        json!("The PIN of reservation 31 is not on the lock of the room, and the stay has begun.")
    );
    portal.locks.set_online(&lock, true);
    portal.later(Duration::minutes(6)).await;
    assert_eq!(hotel.device_pin("31").await["status"], json!("SET"));
    portal.later(Duration::seconds(5)).await;
    assert!(hotel.problem("keychain.not_ready").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_does_not_go_is_critical_after_a_quarter_of_an_hour() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    portal.locks.set_online(&lock, false);
    portal.mews.cancel("31", "Other");
    portal.next_look().await;
    assert_eq!(hotel.device_pin("31").await["status"], json!("REMOVING"));
    portal.later(Duration::minutes(14)).await;
    assert!(hotel.problem("access.not_removed").await.is_none());
    portal.later(Duration::minutes(2)).await;
    let problem = hotel.problem("access.not_removed").await.unwrap();
    assert_eq!(problem["critical"], json!(true));
    assert_eq!(
        problem["message"],
        json!(
            "Lock 101 has not confirmed for over 15 minutes that a PIN is gone; it may still open. Check the lock."
        )
    );
    portal.locks.set_online(&lock, true);
    let id = &problem["subject"]["id"];
    assert_eq!(
        hotel.retry("devicePinRetry", "devicePin", id).await,
        json!([])
    );
    portal.settle().await;
    portal.later(Duration::seconds(5)).await;
    assert!(hotel.problem("access.not_removed").await.is_none());
    assert_eq!(portal.locks.codes(&lock).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_does_not_come_is_a_problem_after_a_minute() {
    let portal = Portal::start().await;
    let hotel = hotel(&portal, "Aurora").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    hotel.give_up("31").await;
    let id = hotel.reservation_id("31").await;
    let mut tx = portal.env.db.begin().await.unwrap();
    let mut row = reservation::lock(&mut tx, hotel.property, id)
        .await
        .unwrap()
        .unwrap();
    row.revision += 1;
    row.decide_at = Some(portal.env.now().into());
    reservation::save(&mut tx, &row).await.unwrap();
    tx.commit().await.unwrap();
    let deciding = "query($id: ID!, $number: String!) { property(id: $id) {
        reservations(filter: {number: $number}) { nodes { deciding } } } }";
    let variables = json!({ "id": hotel.id, "number": "31" });
    let answer = hotel.ask(deciding, variables.clone()).await;
    assert_eq!(
        answer["property"]["reservations"]["nodes"][0]["deciding"],
        json!(true)
    );
    portal.later(Duration::seconds(61)).await;
    let problem = hotel.problem("decision.late").await.unwrap();
    assert_eq!(
        problem["message"],
        json!("Portal has not decided about reservation 31 for over a minute.")
    );
    let job = hotel.given_up().await[0]["id"].clone();
    hotel.retry("jobRetry", "job", &job).await;
    portal.settle().await;
    portal.later(Duration::seconds(5)).await;
    assert!(hotel.problem("decision.late").await.is_none());
    let answer = hotel.ask(deciding, variables).await;
    assert_eq!(
        answer["property"]["reservations"]["nodes"][0]["deciding"],
        json!(false)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_missing_in_the_pms_when_the_stay_begins_is_a_problem() {
    let portal = Portal::start().await;
    let hotel = hotel(&portal, "Aurora").await;
    let add = Some("resourceAccessTokens/add");
    portal
        .mews
        .inject(Fault::Status { status: 500 }, add, 10_000);
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let copy = hotel.pms_copy("31").await;
    assert_eq!(
        (&copy["waitingFor"], &copy["lastError"]),
        (&json!("RETRY"), &json!("UNREACHABLE"))
    );
    portal.later(Duration::hours(4)).await;
    assert!(hotel.problem("pin_push.late").await.is_none());
    portal.later(Duration::hours(1)).await;
    let problem = hotel.problem("pin_push.late").await.unwrap();
    assert_eq!(
        (&problem["critical"], &problem["fix"]),
        (&json!(false), &json!("pinPushRetry"))
    );
    portal.mews.clear_faults();
    portal.later(Duration::minutes(16)).await;
    portal.later(Duration::minutes(16)).await;
    assert_eq!(hotel.pms_copy("31").await["status"], json!("STORED"));
    assert!(hotel.problem("pin_push.late").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_a_verdict_and_a_long_catching_up_are_problems_until_they_end() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let validate = Some("configuration/get");
    portal
        .mews
        .inject(Fault::Status { status: 503 }, validate, 10_000);
    let token = portal.mews.add_access_token(&hotel.enterprise);
    hotel.reconnect(&shown(&token)).await;
    portal.later(Duration::minutes(16)).await;
    let problem = hotel.problem("integration.token_unverified").await.unwrap();
    assert_eq!(
        problem["message"],
        json!(
            "Mews has not answered about the saved token for over 15 minutes. Portal keeps checking."
        )
    );
    portal.mews.clear_faults();
    portal.later(Duration::minutes(16)).await;
    portal.later(Duration::seconds(5)).await;
    assert!(
        hotel
            .problem("integration.token_unverified")
            .await
            .is_none()
    );

    portal.mews.revoke_token(&token);
    portal.next_look().await;
    portal.later(Duration::seconds(95)).await;
    assert_eq!(hotel.status_now().await, "BROKEN");
    let list = Some("reservations/getAll/2023-06-06");
    portal
        .mews
        .inject(Fault::Status { status: 503 }, list, 10_000);
    let token = portal.mews.add_access_token(&hotel.enterprise);
    hotel.reconnect_now(&shown(&token)).await;
    portal.later(Duration::minutes(10)).await;
    assert!(
        hotel
            .problem("integration.catching_up_long")
            .await
            .is_none()
    );
    portal.later(Duration::minutes(6)).await;
    let problem = hotel.problem("integration.catching_up_long").await.unwrap();
    assert_eq!(
        problem["message"],
        json!("Portal has been reading what changed in Mews for over 15 minutes.")
    );
    portal.mews.clear_faults();
    portal.later(Duration::minutes(16)).await;
    portal.later(Duration::minutes(2)).await;
    assert!(
        hotel
            .problem("integration.catching_up_long")
            .await
            .is_none()
    );
}

impl Hotel<'_> {
    async fn link(&self) -> Value {
        let query = "query($id: ID!) { property(id: $id) { pmsIntegration { id status } } }";
        let mut answer = self.ask(query, json!({ "id": self.id })).await;
        answer["property"]["pmsIntegration"].take()
    }

    async fn status_now(&self) -> String {
        crate::harness::text(&self.link().await["status"])
    }

    async fn reconnect_now(&self, token: &str) {
        let query =
            "mutation($id: ID!, $value: String!) { integrationReconnect(input: {integration: $id,
            values: [{key: \"accessToken\", value: $value}]}) { userErrors { code } } }";
        let variables = json!({ "id": self.link().await["id"], "value": token });
        let answer = self.ask(query, variables).await;
        assert_eq!(answer["integrationReconnect"]["userErrors"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_a_lock_cannot_forget_is_gone_when_its_own_end_has_come() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.map("101", "Room 101").await;
    hotel.install("Room 101", "Lock 101").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    // The next reading of the locks says otherwise; until then it is such a lock.
    let mut tx = portal.env.db.begin().await.unwrap();
    let locks = device::page(&mut tx, hotel.property, None, None, &Page::first(1)).await;
    let mut lock = locks.unwrap().remove(0);
    lock.rules = serde_json::to_string(&[DeviceRule::Revocable(false)]).unwrap();
    device::put(&mut tx, &lock).await.unwrap();
    tx.commit().await.unwrap();
    portal.mews.cancel("31", "Other");
    portal.next_look().await;
    let pin = hotel.device_pin("31").await;
    assert_eq!(
        (&pin["status"], &pin["waitingFor"]),
        (&json!("RESIDUAL"), &json!("END"))
    );
    assert_eq!(hotel.waiting("31").await["provisioning"], json!("RESIDUAL"));
    let end = time(&pin["deadline"]);
    portal
        .later(end - portal.env.now() - Duration::minutes(1))
        .await;
    assert_eq!(hotel.device_pin("31").await["status"], json!("RESIDUAL"));
    portal.later(Duration::minutes(2)).await;
    let pin = hotel.device_pin("31").await;
    assert_eq!(
        (&pin["status"], &pin["confirmed"]["how"]),
        (&json!("REMOVED"), &json!("WINDOW_OVER"))
    );
    assert_eq!(hotel.waiting("31").await["provisioning"], json!("REMOVED"));
    let mut conn = portal.env.db.read().await.unwrap();
    let log = portal_store::event::after(&mut conn, hotel.property, 0, 10_000)
        .await
        .unwrap();
    let last = log
        .iter()
        .rfind(|event| event.kind.as_str() == "DEVICE_PIN_REMOVED")
        .unwrap();
    assert_eq!(last.actor_kind.as_str(), "CLOCK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_ran_out_while_the_link_was_broken_counts_as_gone() {
    let portal = Portal::start().await;
    let hotel = hotel(&portal, "Aurora").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    assert_eq!(hotel.pms_copy("31").await["status"], json!("STORED"));
    portal.mews.revoke_token(&hotel.token);
    portal.next_look().await;
    portal.later(Duration::seconds(95)).await;
    assert_eq!(hotel.status_now().await, "BROKEN");
    portal.later(Duration::hours(51)).await;
    portal.later(Duration::minutes(20)).await;
    assert_eq!(hotel.pms_copy("31").await["status"], json!("REMOVED"));
    assert_eq!(hotel.device_pin("31").await["status"], json!("REMOVED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_processes_one_sweeps() {
    let portal = Portal::start().await;
    let _hotel = portal.house("Aurora", &[]).await;
    let every = Duration::seconds(5);
    let alone = !portal.env.db.is_postgres();
    for _ in 0..3 {
        portal.clock.advance(Duration::seconds(75));
        let turns = futures_util::future::join_all(
            (0..4).map(|_| sweep::take_turn(&portal.env, every, None)),
        )
        .await;
        let swept = turns
            .into_iter()
            .filter(|turn| *turn.as_ref().unwrap())
            .count();
        assert_eq!(swept, if alone { 4 } else { 1 });
        let mut conn = portal.env.db.read().await.unwrap();
        let waiting = job::pending(&mut conn, "sync-reservations").await.unwrap();
        assert_eq!(waiting, 1, "and what is due is enqueued once");
    }
    // Not before its time, whoever asks.
    portal.clock.advance(Duration::seconds(2));
    let soon = sweep::take_turn(&portal.env, every, None).await.unwrap();
    assert_eq!(soon, alone);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_house_with_much_to_do_does_not_keep_the_others_waiting() {
    let portal = Portal::start().await;
    let busy = hotel(&portal, "Aurora").await;
    let calm = hotel(&portal, "Borealis").await;
    for number in 0..6 {
        busy.book(&format!("B{number}"), Some("101"));
    }
    calm.book("C1", Some("101"));
    portal.next_look().await;
    let now = portal.env.now();
    let mut tx = portal.env.db.begin().await.unwrap();
    for (hotel, number, ago) in
        (0..6)
            .map(|n| (&busy, format!("B{n}"), 100 - n))
            .chain([(&calm, "C1".to_owned(), 1)])
    {
        let id = hotel.reservation_id_in(&mut tx, &number).await;
        let row = reservation::lock(&mut tx, hotel.property, id)
            .await
            .unwrap();
        let mut row = row.unwrap();
        row.decide_at = Some((now - Duration::seconds(ago)).into());
        reservation::save(&mut tx, &row).await.unwrap();
    }
    let first = due::decisions(&mut tx, now, 2).await.unwrap();
    let houses: Vec<_> = first.iter().map(|row| row.property_id).collect();
    assert_eq!(houses, [busy.property, calm.property]);
    assert_eq!(
        *first[0].due_at,
        now - Duration::seconds(100),
        "what is due longest"
    );
    tx.rollback().await.unwrap();
}

impl Hotel<'_> {
    async fn reservation_id_in(
        &self,
        conn: &mut portal_store::Conn,
        number: &str,
    ) -> ReservationId {
        let filter = reservation::Filter {
            number: Some(number.to_owned()),
            ..reservation::Filter::default()
        };
        let rows = reservation::page(conn, self.property, &filter, &Page::first(1)).await;
        rows.expect("an answer")[0].id
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_piled_up_before_a_start_is_spread_over_a_minute() {
    let portal = Portal::start().await;
    let hotel = hotel(&portal, "Aurora").await;
    for number in 0..12 {
        hotel.book(&format!("N{number}"), Some("101"));
    }
    portal.next_look().await;
    let now = portal.env.now();
    let mut tx = portal.env.db.begin().await.unwrap();
    for number in 0..12 {
        let id = hotel
            .reservation_id_in(&mut tx, &format!("N{number}"))
            .await;
        let row = reservation::lock(&mut tx, hotel.property, id)
            .await
            .unwrap();
        let mut row = row.unwrap();
        row.decide_at = Some((now - Duration::seconds(10)).into());
        reservation::save(&mut tx, &row).await.unwrap();
    }
    tx.commit().await.unwrap();
    let times = async || {
        let mut conn = portal.env.db.read().await.unwrap();
        let jobs = job::all(&mut conn).await.unwrap();
        let mut times: Vec<_> = jobs
            .into_iter()
            .filter(|job| job.kind == ReconcileAccess::KIND)
            .map(|job| job.run_at)
            .collect();
        times.sort();
        times
    };
    let every = Duration::seconds(5);
    assert!(
        sweep::take_turn(&portal.env, every, Some(now))
            .await
            .unwrap()
    );
    let spread = times().await;
    assert_eq!(spread.len(), 12);
    assert!(spread[0] >= now && spread[11] < now + Duration::seconds(60));
    assert!(spread[11] - spread[0] > Duration::seconds(20), "{spread:?}");
    // The next sweep does not bring them together again.
    portal.clock.advance(every);
    assert!(
        sweep::take_turn(&portal.env, every, Some(now))
            .await
            .unwrap()
    );
    assert_eq!(times().await, spread);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_pms_is_left_alone_for_longer_each_time_and_the_first_answer_mends_it() {
    let portal = Portal::start().await;
    let hotel = hotel(&portal, "Aurora").await;
    let other = portal.house("Borealis", &[]).await;
    let all = || portal.mews.calls().values().sum::<u32>();
    portal.mews.revoke_token(&other.token);
    portal
        .mews
        .inject(Fault::Cut, Some("reservations/getAll/2023-06-06"), 10_000);
    portal
        .mews
        .inject(Fault::Cut, Some("configuration/get"), 10_000);
    // Five without an answer in a row.
    for _ in 0..8 {
        portal.later(Duration::seconds(75)).await;
    }
    let pause = closed_until(&portal, &hotel).await.expect("a pause");
    assert!(pause > portal.env.now() && pause <= portal.env.now() + Duration::minutes(15));
    // Nobody calls for this house meanwhile, and a person is told at once that nothing is known.
    let before = all();
    let validate = "mutation($id: ID!) { integrationValidate(input: {integration: $id}) {
        integration { status validationAttempts(last: 1) { nodes { outcome } } } userErrors { code } } }";
    let id = hotel.link().await["id"].clone();
    let started = std::time::Instant::now();
    let answer = hotel.ask(validate, json!({ "id": id })).await;
    let told = &answer["integrationValidate"];
    assert_eq!(told["userErrors"], json!([]));
    assert_eq!(told["integration"]["status"], json!("CONNECTED"));
    assert!(started.elapsed() < std::time::Duration::from_secs(3));
    assert_eq!(all(), before);

    for _ in 0..4 {
        portal.later(Duration::minutes(5)).await;
    }
    let problem = hotel.problem("integration.unreachable").await.unwrap();
    let message = problem["message"].as_str().unwrap();
    assert!(
        message.starts_with("Mews does not answer. Portal tries again at "),
        "{message}"
    );
    assert_eq!(problem["subject"]["__typename"], json!("Integration"));

    // One call after the pause, not one for each that waits.
    let pause = closed_until(&portal, &hotel).await.unwrap();
    let before = all();
    portal
        .clock
        .advance((pause - portal.env.now()).max(Duration::zero()) + Duration::seconds(1));
    hotel.ask(validate, json!({ "id": id })).await;
    assert_eq!(all(), before + 1);
    let longer = closed_until(&portal, &hotel).await.unwrap();
    assert!(
        longer > portal.env.now() + Duration::minutes(3),
        "longer each time"
    );

    portal.mews.clear_faults();
    for _ in 0..4 {
        portal.later(Duration::minutes(10)).await;
    }
    assert_eq!(closed_until(&portal, &hotel).await, None);
    portal.later(Duration::seconds(5)).await;
    assert!(hotel.problem("integration.unreachable").await.is_none());
    let now = portal.env.now();
    let stay = Booking::new(now + Duration::hours(9), now + Duration::hours(30));
    portal
        .mews
        .book(&hotel.enterprise, &stay.number("32").room("101"));
    portal.later(Duration::minutes(3)).await;
    assert_eq!(hotel.pms_copy("32").await["status"], json!("STORED"));
}

async fn closed_until(portal: &Portal, hotel: &Hotel<'_>) -> Option<DateTime<Utc>> {
    let mut conn = portal.env.db.read().await.expect("an answer");
    let live = portal_store::integration::live(&mut conn, hotel.property)
        .await
        .expect("an answer");
    let pms = live.iter().find(|link| link.app == "mews")?;
    let row = portal_store::breaker::of(&mut conn, pms.id)
        .await
        .expect("an answer");
    row?.closed_until.map(|until| *until)
}
