//! "Why does the reservation not appear?": for each cause what explainAccess answers, the fix it
//! names applied through the API, and the keychain that follows without anything else.

use crate::harness::{Hotel, Portal, text};
use chrono::Duration;
use portal_mews::fake::Booking;
use serde_json::{Value, json};

const WHY: &str = "query($id: ID!, $number: String!, $at: DateTime, $assume: [AccessAssumption!]) {
  property(id: $id) { explainAccess(number: $number, at: $at, assume: $assume) {
    number transfer deciding headline { code message }
    gates { gate verdict code message evidence fix fixBy since clearsAt
      subject { __typename id } }
    counterfactuals { assume transfer unlocks remaining withinSeconds }
    reservation { withheld { code message } keychain { id } } } } }";

/// An explanation.
struct Why(Value);

async fn why(hotel: &Hotel<'_>, number: &str) -> Why {
    why_with(hotel, number, json!({})).await
}

async fn why_with(hotel: &Hotel<'_>, number: &str, more: Value) -> Why {
    let mut variables = json!({ "id": hotel.id, "number": number });
    let fields = variables.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    let mut answer = hotel.ask(WHY, variables).await;
    Why(answer["property"]["explainAccess"].take())
}

impl Why {
    /// The headline, every gate that does not pass, and what would follow, a line each.
    fn told(&self) -> Vec<String> {
        let mut lines = vec![match &self.0["headline"] {
            Value::Null => text(&self.0["transfer"]),
            headline => format!(
                "{} {}: {}",
                text(&self.0["transfer"]),
                text(&headline["code"]),
                text(&headline["message"])
            ),
        }];
        for gate in self.0["gates"].as_array().expect("gates") {
            if gate["verdict"] == "PASS" || gate["verdict"] == "NOT_REACHED" {
                continue;
            }
            let fixers = gate["fixBy"].as_array().expect("fixers");
            let fixers: Vec<_> = fixers.iter().map(text).collect();
            lines.push(format!(
                "{} {} [{}] {} -> {} by {}",
                text(&gate["gate"]),
                text(&gate["verdict"]),
                text(&gate["evidence"]),
                text(&gate["message"]),
                gate["fix"].as_str().unwrap_or("-"),
                if fixers.is_empty() {
                    "time".to_owned()
                } else {
                    fixers.join(" ")
                },
            ));
        }
        for other in self.0["counterfactuals"]
            .as_array()
            .expect("counterfactuals")
        {
            lines.push(format!(
                "if: {}: {}, left {}",
                text(&other["assume"]),
                text(&other["transfer"]),
                other["remaining"]
            ));
        }
        lines
    }

    fn gate(&self, name: &str) -> &Value {
        let gates = self.0["gates"].as_array().expect("gates");
        gates
            .iter()
            .find(|gate| gate["gate"] == name)
            .expect("the gate")
    }

    /// The first gate that names a mutation, with what to open.
    fn fix(&self) -> (String, String) {
        let gates = self.0["gates"].as_array().expect("gates");
        let gate = gates
            .iter()
            .find(|gate| gate["fix"] != Value::Null)
            .expect("a fix");
        (text(&gate["fix"]), text(&gate["subject"]["id"]))
    }
}

/// The keychain is there, and nothing is in the way any more.
async fn assert_granted(hotel: &Hotel<'_>, number: &str) {
    let why = why(hotel, number).await;
    assert_eq!(why.0["transfer"], json!("TRANSFERRED"), "{:#}", why.0);
    assert_eq!(why.0["headline"], Value::Null);
    assert_ne!(why.0["reservation"]["keychain"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_device_was_installed_when_the_reservation_was_made() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.map("101", "Room 101").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let why = why(&hotel, "31").await;
    assert_eq!(
        why.told(),
        [
            "WITHHELD NO_DEVICE_IN_ROOM: No lock is installed in Room 101.",
            "DEVICE HOLD [Room 101: 0 locks.] No lock is installed in Room 101. -> deviceInstall by OWNER GENERAL_MANAGER INSTALLER",
            "if: A lock is installed in Room 101: TRANSFERRED, left []",
        ]
    );
    assert_eq!(
        why.0["headline"]["message"],
        why.0["reservation"]["withheld"]["message"]
    );
    let (fix, space) = why.fix();
    assert_eq!(
        (fix.as_str(), &space),
        ("deviceInstall", &hotel.space("Room 101").await)
    );
    hotel.install("Room 101", "Lock 101").await;
    portal.settle().await;
    assert_granted(&hotel, "31").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_room_is_not_mapped() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["102"]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let why = why(&hotel, "31").await;
    assert_eq!(
        why.told(),
        [
            "WITHHELD ROOM_NOT_MAPPED: Room 101 is not mapped to a space.",
            "MAPPING HOLD [101 leads to no space, nor does a room it is part of.] Room 101 is not mapped to a space. -> roomMap by OWNER GENERAL_MANAGER",
            "if: Room 101 is mapped to a space with a lock: TRANSFERRED, left []",
        ]
    );
    assert_eq!(why.gate("DEVICE")["verdict"], json!("NOT_REACHED"));
    let (fix, room) = why.fix();
    assert_eq!(room, hotel.room("101").await);
    let variables = json!({ "room": room, "space": hotel.space("Room 102").await });
    hotel.tell(&fix, variables).await;
    portal.settle().await;
    assert_granted(&hotel, "31").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_integration_is_broken() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.map("101", "Room 101").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    portal.mews.revoke_tokens(&hotel.enterprise);
    for _ in 0..4 {
        portal.later(Duration::minutes(20)).await;
    }
    assert_eq!(hotel.status().await, "BROKEN");
    let why = why(&hotel, "31").await;
    let told = why.told();
    assert_eq!(
        told[0],
        "WITHHELD INTEGRATION_BROKEN: The connection to Mews is broken. Paste a new token."
    );
    assert!(
        told[1].starts_with(
            "INTEGRATION HOLD [Mews is BROKEN; last read without a gap at 2026-12-01 "
        ),
        "{told:?}"
    );
    assert!(
        told[1].ends_with("-> integrationReconnect by OWNER GENERAL_MANAGER"),
        "{told:?}"
    );
    // What else is in the way is told at once, not one after the other.
    assert!(told[2].starts_with("DEVICE HOLD"), "{told:?}");
    assert_eq!(
        told[3],
        "if: The integration is connected and has caught up: WITHHELD, left [\"NO_DEVICE_IN_ROOM\"]"
    );
    let (fix, integration) = why.fix();
    let token = portal.mews.add_access_token(&hotel.enterprise);
    let values = json!([{ "key": "accessToken", "value": crate::harness::shown(&token) }]);
    let variables = json!({ "integration": integration, "values": values });
    hotel.tell(&fix, variables).await;
    hotel.install("Room 101", "Lock 101").await;
    portal.settle().await;
    assert_granted(&hotel, "31").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reservation_was_not_received() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    // In the PMS, and not read yet.
    hotel.book("31", Some("101"));
    let before = why(&hotel, "31").await;
    assert_eq!(before.0["transfer"], Value::Null);
    assert_eq!(before.0["reservation"], Value::Null);
    let gate = before.gate("RECEIVED");
    assert_eq!(gate["verdict"], json!("HOLD"));
    assert_eq!(
        gate["message"],
        json!("Mews has 31, and Portal has not read it yet.")
    );
    assert!(text(&gate["evidence"]).starts_with("Mews has it: Confirmed 2026-12-0"));
    assert_eq!(gate["fix"], json!("reservationFetch"));
    let variables = json!({ "property": hotel.id, "number": "31" });
    hotel.tell("reservationFetch", variables).await;
    portal.settle().await;
    assert_granted(&hotel, "31").await;

    // Nowhere.
    let nowhere = why(&hotel, "4711").await;
    let gate = nowhere.gate("RECEIVED");
    assert_eq!(
        gate["message"],
        json!("Portal has not received 4711, and Mews does not know it. Check the number.")
    );
    assert_eq!(gate["fixBy"], json!(["PMS_USER", "PMS_SUPPORT"]));
    assert_eq!(nowhere.0["gates"].as_array().map(Vec::len), Some(1));

    // The PMS cannot be asked: the last gap-free read stands there, and whom to ask.
    portal.mews.revoke_tokens(&hotel.enterprise);
    for _ in 0..4 {
        portal.later(Duration::minutes(20)).await;
    }
    let silent = why(&hotel, "4711").await;
    let message = text(&silent.gate("RECEIVED")["message"]);
    assert!(
        message.starts_with(
            "Portal has not received 4711. Mews was last read without a gap at 2026-12-01 "
        ),
        "{message}"
    );
    assert!(
        message.ends_with("Ask the support of Mews why it was not sent."),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unassigning_and_assigning_the_room_again_is_told_by_its_gate() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    portal.mews.assign("31", None);
    portal.next_look().await;
    assert_eq!(
        why(&hotel, "31").await.told(),
        [
            "WITHHELD ROOM_UNASSIGNED: No room is assigned.",
            "ROOM HOLD [Mews assigned no room.] No room is assigned. -> - by PMS_USER",
            "if: A room that is mapped and has a lock is assigned: TRANSFERRED, left []",
        ]
    );
    // Which room would do?
    let rooms = [
        ("101", "TRANSFERRED", json!([])),
        ("103", "WITHHELD", json!(["ROOM_NOT_MAPPED"])),
    ];
    for (room, transfer, left) in rooms {
        let assume = json!([{ "fact": "ROOM_ASSIGNED", "room": hotel.room(room).await }]);
        let told = why_with(&hotel, "31", json!({ "assume": assume })).await;
        let other = &told.0["counterfactuals"][0];
        assert_eq!(other["transfer"], json!(transfer));
        assert_eq!(other["remaining"], left);
        assert_eq!(other["assume"], json!(format!("Room {room} is assigned")));
    }
    portal.mews.assign("31", Some("101"));
    portal.next_look().await;
    assert_granted(&hotel, "31").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_and_the_clock_hold_back_is_told_as_well() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    let now = portal.env.now();
    let far = Booking::new(now + Duration::days(400), now + Duration::days(402))
        .number("32")
        .room("101");
    portal.mews.book(&hotel.enterprise, &far);
    portal.next_look().await;

    // Too early: the clock clears it, and it says when.
    let early = why(&hotel, "32").await;
    let horizon = early.gate("HORIZON");
    assert_eq!(horizon["code"], json!("OUTSIDE_HORIZON"));
    assert_eq!(horizon["fixBy"], json!([]));
    let clears = text(&horizon["clearsAt"]);
    assert!(clears.starts_with("2027-01-05T"), "{clears}");

    // Taken away by a person: given back by a person.
    let keychain = hotel.reservation("31").await["keychain"]["id"].clone();
    let variables = json!({ "keychain": keychain, "reason": "lost phone" });
    hotel.tell("keychainRevoke", variables).await;
    portal.settle().await;
    let revoked = why(&hotel, "31").await;
    assert_eq!(
        revoked.told()[..2],
        [
            "WITHHELD REVOKED_BY_STAFF: Olive Owner took this access away: lost phone.",
            "NOT_REVOKED HOLD [Olive Owner: lost phone.] Olive Owner took this access away: lost phone. -> keychainReinstate by OWNER GENERAL_MANAGER TEAM",
        ]
    );
    let (fix, subject) = revoked.fix();
    hotel.tell(&fix, json!({ "keychain": subject })).await;
    portal.settle().await;
    assert_granted(&hotel, "31").await;

    // In preparation: whoever is new waits, and whoever has a key keeps it.
    hotel
        .tell("propertyEnterSetup", json!({ "property": hotel.id }))
        .await;
    hotel.book("33", Some("101"));
    portal.next_look().await;
    let setup = why(&hotel, "33").await;
    assert_eq!(setup.0["headline"]["code"], json!("PROPERTY_IN_SETUP"));
    let kept = why(&hotel, "31").await;
    assert_eq!(kept.0["transfer"], json!("TRANSFERRED"));
    assert_eq!(
        kept.0["headline"],
        Value::Null,
        "as withheld of the reservation says"
    );
    assert_eq!(kept.gate("LIVE")["verdict"], json!("HOLD"));
    let (fix, subject) = setup.fix();
    hotel.tell(&fix, json!({ "property": subject })).await;
    portal.settle().await;
    assert_granted(&hotel, "33").await;

    // Over: ended gates are no longer of interest, and nothing is offered.
    portal.mews.cancel("33", "RequestedByGuest");
    portal.next_look().await;
    let over = why(&hotel, "33").await;
    assert_eq!(over.gate("NOT_CANCELED")["verdict"], json!("ENDED"));
    assert_eq!(over.0["counterfactuals"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_explained_by_the_decision_that_held_then() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let unmapped = portal.env.now();
    portal.later(Duration::minutes(5)).await;
    hotel.map("101", "Room 101").await;
    portal.settle().await;
    let mapped = portal.env.now();
    hotel.install("Room 101", "Lock 101").await;
    portal.settle().await;
    assert_granted(&hotel, "31").await;

    let at = |at: chrono::DateTime<chrono::Utc>| json!({ "at": at });
    let then = why_with(&hotel, "31", at(unmapped)).await;
    assert_eq!(then.0["headline"]["code"], json!("ROOM_NOT_MAPPED"));
    assert_eq!(then.0["transfer"], json!("WITHHELD"));
    let then = why_with(&hotel, "31", at(mapped)).await;
    assert_eq!(then.0["headline"]["code"], json!("NO_DEVICE_IN_ROOM"));
    assert_eq!(then.gate("MAPPING")["evidence"], json!("101 → Room 101."));
    let since = text(&then.gate("DEVICE")["since"]);
    assert_eq!(
        since,
        mapped.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
    );
    // Before anything was decided there is nothing to tell.
    let never = why_with(&hotel, "31", at(unmapped - Duration::days(1))).await;
    assert_eq!(never.0, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_locks_and_the_pms_still_lack_is_told_behind_the_decision() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    portal.locks.set_online(&lock, false);
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let waits = why(&hotel, "31").await;
    assert_eq!(waits.0["transfer"], json!("TRANSFERRED"));
    let doors = waits.gate("DOORS");
    assert_eq!(doors["verdict"], json!("HOLD"));
    assert_eq!(
        doors["message"],
        json!("Not yet confirmed by the lock: Room 101.")
    );
    assert_eq!(
        doors["evidence"],
        json!("Room 101: WAITING (DEVICE_OFFLINE).")
    );
    assert_eq!(waits.gate("PMS_COPY")["verdict"], json!("HOLD"));
    assert_eq!(waits.gate("WINDOW")["verdict"], json!("HOLD"));
    portal.locks.set_online(&lock, true);
    portal.later(Duration::minutes(20)).await;
    let set = why(&hotel, "31").await;
    assert_eq!(set.gate("DOORS")["verdict"], json!("PASS"));
    assert_eq!(set.gate("PMS_COPY")["evidence"], json!("Mews: STORED."));
}

#[tokio::test(flavor = "multi_thread")]
async fn others_houses_have_no_explanations_and_housekeeping_asks_in_vain() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let other = portal.hotel("Borealis").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let id = hotel.reservation("31").await["id"].clone();
    let query = "query($id: ID!) { explainAccess(reservation: $id) { number } }";
    let stranger = other.owner.run(query, json!({ "id": id })).await;
    assert_eq!(stranger["explainAccess"], Value::Null);
    let own = hotel.owner.run(query, json!({ "id": id })).await;
    assert_eq!(own["explainAccess"]["number"], json!("31"));
    let keeper = portal
        .person(&hotel, portal_domain::Role::Housekeeping)
        .await;
    assert_eq!(
        keeper.refused(query, json!({ "id": id })).await,
        "FORBIDDEN"
    );
}
