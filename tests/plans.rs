//! What a change would do, told before it is done; and done exactly so, or not at all.

use crate::harness::{Hotel, Portal, text};
use chrono::Duration;
use portal_domain::Role;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

const PLAN: &str = "mutation($change: PlanChange!) { planCreate(input: {change: $change}) {
    plan { id applicable expiresAt inHouse { number }
      operations { op inHouse reservation { number } space { name } } }
    userErrors { code message } } }";
const APPLY: &str = "mutation($plan: ID!, $agreed: Boolean, $reason: String) { planApply(input: {plan: $plan,
    endInHouseAccess: $agreed, reason: $reason}) { plan { appliedAt } userErrors { code message } } }";

async fn plan(hotel: &Hotel<'_>, change: Value) -> Value {
    let mut answer = hotel.ask(PLAN, json!({ "change": change })).await;
    assert_eq!(answer["planCreate"]["userErrors"], json!([]));
    answer["planCreate"]["plan"].take()
}

async fn apply(hotel: &Hotel<'_>, plan: &Value, agreed: bool, reason: Option<&str>) -> Value {
    let variables = json!({ "plan": plan["id"], "agreed": agreed, "reason": reason });
    hotel.ask(APPLY, variables).await["planApply"].take()
}

fn code(answer: &Value) -> String {
    text(&answer["userErrors"][0]["code"])
}

/// The operations, a line each.
fn lines(plan: &Value) -> Vec<String> {
    let operations = plan["operations"].as_array().expect("operations");
    let line = |operation: &Value| {
        let house = if operation["inHouse"] == json!(true) {
            " (in house)"
        } else {
            ""
        };
        let space = operation["space"]["name"]
            .as_str()
            .map_or_else(String::new, |s| format!(" {s}"));
        let number = text(&operation["reservation"]["number"]);
        format!("{number}: {}{space}{house}", text(&operation["op"]))
    };
    let mut lines: Vec<_> = operations.iter().map(line).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn mapping_a_room_is_planned_and_applied_to_the_letter() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["102"]).await;
    hotel.book("31", Some("101"));
    hotel.book("32", Some("102"));
    portal.next_look().await;
    let mapping =
        json!({ "room": hotel.room("101").await, "space": hotel.space("Room 102").await });
    let planned = plan(&hotel, json!({ "roomMap": mapping })).await;
    let expected = [
        "31: DOOR_ADD Room 102",
        "31: KEYCHAIN_CREATE",
        "31: PIN_STORE",
    ];
    assert_eq!(lines(&planned), expected);
    assert_eq!(planned["applicable"], json!(true));

    // Nothing has happened, nor does anything follow.
    portal.settle().await;
    assert_eq!(hotel.access("31").await.1, "ROOM_NOT_MAPPED");
    let rooms = "query($id: ID!) { property(id: $id) { rooms(mapped: true) { totalCount: nodes { name } } } }";
    let mapped = hotel.ask(rooms, json!({ "id": hotel.id })).await;
    assert_eq!(
        mapped["property"]["rooms"]["totalCount"],
        json!([{"name": "102"}])
    );

    let before = hotel.reservation("32").await;
    let done = apply(&hotel, &planned, false, None).await;
    assert_eq!(done["userErrors"], json!([]));
    assert_ne!(done["plan"]["appliedAt"], Value::Null);
    // The decision is part of it, before any job has run.
    assert_eq!(hotel.access("31").await.0, "TRANSFERRED");
    portal.settle().await;
    assert_eq!(hotel.in_mews("31").len(), 1);
    assert_eq!(hotel.reservation("32").await, before, "no other operation");
    assert_eq!(
        code(&apply(&hotel, &planned, false, None).await),
        "ALREADY_APPLIED"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_in_the_house_are_flagged_and_asked_for() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    hotel.book("32", Some("101"));
    portal.next_look().await;
    portal.mews.check_in("31");
    portal.next_look().await;
    let planned = plan(&hotel, json!({ "roomUnmap": hotel.room("101").await })).await;
    let told = lines(&planned);
    assert!(
        told.contains(&"31: KEYCHAIN_END (in house)".to_owned()),
        "{told:?}"
    );
    assert!(told.contains(&"32: KEYCHAIN_END".to_owned()), "{told:?}");
    assert_eq!(planned["inHouse"], json!([{"number": "31"}]));
    portal.settle().await;
    assert_eq!(hotel.access("31").await.0, "TRANSFERRED");

    assert_eq!(
        code(&apply(&hotel, &planned, false, None).await),
        "IN_HOUSE_GUESTS"
    );
    assert_eq!(
        code(&apply(&hotel, &planned, true, None).await),
        "REASON_MISSING"
    );
    let done = apply(&hotel, &planned, true, Some("the wing is closed")).await;
    assert_eq!(done["userErrors"], json!([]));
    portal.settle().await;
    assert_eq!(hotel.reservation("31").await["keychain"], Value::Null);
    assert_eq!(hotel.access("32").await.1, "ROOM_NOT_MAPPED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_refused_when_the_world_moved_or_it_is_old() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let change = json!({ "policyUpdate": { "property": hotel.id, "bufferAfter": 60 } });
    let planned = plan(&hotel, change.clone()).await;
    assert_eq!(lines(&planned), ["31: PIN_STORE", "31: WINDOW_CHANGE"]);
    hotel.book("32", Some("101"));
    portal.next_look().await;
    assert_eq!(
        code(&apply(&hotel, &planned, false, None).await),
        "PLAN_OUTDATED"
    );
    let query = "query($id: ID!) { property(id: $id) { policy { bufferAfter version } } }";
    let read = hotel.ask(query, json!({ "id": hotel.id })).await;
    assert_eq!(
        read["property"]["policy"],
        json!({"bufferAfter": 0, "version": 1})
    );

    let planned = plan(&hotel, change).await;
    assert_eq!(planned["operations"].as_array().map(Vec::len), Some(4));
    portal.clock.advance(Duration::minutes(11));
    assert_eq!(
        code(&apply(&hotel, &planned, false, None).await),
        "PLAN_EXPIRED"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pms_would_do_can_be_looked_at_and_not_applied() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101", "102"]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let stay = hotel.reservation("31").await["id"].clone();
    let change = json!({ "reservation": stay, "room": hotel.room("102").await });
    let planned = plan(&hotel, json!({ "roomAssign": change })).await;
    let expected = [
        "31: DOOR_ADD Room 102",
        "31: DOOR_REMOVE Room 101",
        "31: PIN_STORE",
    ];
    assert_eq!(lines(&planned), expected);
    assert_eq!(planned["applicable"], json!(false));
    assert_eq!(
        code(&apply(&hotel, &planned, false, None).await),
        "NOT_APPLICABLE"
    );
    // Whose link ends keeps every key.
    let link = hotel.integration().await["id"].clone();
    let planned = plan(&hotel, json!({ "integrationDisconnect": link })).await;
    assert_eq!(lines(&planned), Vec::<String>::new());
    assert_eq!(hotel.status().await, "CONNECTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_new_token_would_bring_is_told_before_anyone_asks_for_one() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    hotel.book("32", Some("102"));
    portal.next_look().await;
    let link = hotel.integration().await["id"].clone();
    let change = json!({ "integrationReconnect": link });
    // While it works another token changes nothing for anyone.
    assert_eq!(
        lines(&plan(&hotel, change.clone()).await),
        Vec::<String>::new()
    );
    portal.mews.revoke_tokens(&hotel.enterprise);
    portal.next_look().await;
    portal.later(Duration::seconds(95)).await;
    assert_eq!(hotel.status().await, "BROKEN");
    let _lock = hotel.door("102").await;
    portal.settle().await;
    assert_eq!(hotel.access("32").await.1, "INTEGRATION_BROKEN");
    let planned = plan(&hotel, change).await;
    let expected = [
        "32: DOOR_ADD Room 102",
        "32: KEYCHAIN_CREATE",
        "32: PIN_STORE",
    ];
    assert_eq!(lines(&planned), expected);
    assert_eq!(planned["applicable"], json!(false));
    assert_eq!(
        code(&apply(&hotel, &planned, false, None).await),
        "NOT_APPLICABLE"
    );
    assert_eq!(hotel.status().await, "BROKEN");
    // And so it is.
    let token = portal.mews.add_access_token(&hotel.enterprise);
    hotel.reconnect(token.expose_secret()).await;
    portal.settle().await;
    assert_eq!(hotel.access("32").await.0, "TRANSFERRED");
    assert_eq!(hotel.in_mews("32").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_are_for_managers_of_the_house() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    let other = portal.hotel("Borealis").await;
    let change = json!({ "change": { "roomUnmap": hotel.room("101").await } });
    let team = portal.person(&hotel, Role::Team).await;
    assert_eq!(team.refused(PLAN, change.clone()).await, "FORBIDDEN");
    let stranger = other.owner.run(PLAN, change.clone()).await;
    assert_eq!(code(&stranger["planCreate"]), "NOT_FOUND");
    let planned = plan(&hotel, change["change"].clone()).await;
    let variables = json!({ "plan": planned["id"], "agreed": true, "reason": "no" });
    let stranger = other.owner.run(APPLY, variables).await;
    assert_eq!(code(&stranger["planApply"]), "PLAN_NOT_FOUND");
}
