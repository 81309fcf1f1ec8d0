//! How staff connect Mews, and what they see when it does not work.

use crate::harness::{Caller, Portal, shown};
use chrono::Duration;
use portal_domain::Role;
use portal_mews::fake::Fault;
use serde_json::{Value, json};

/// Nothing was stored: no integration, no credential.
async fn nothing_stored(hotel: &crate::harness::Hotel<'_>) {
    assert_eq!(hotel.integration().await, Value::Null);
}

fn error(answer: &Value) -> (String, Option<String>, String) {
    assert_eq!(answer["integration"], Value::Null);
    let error = &answer["userErrors"][0];
    (
        error["code"].as_str().unwrap_or_default().to_owned(),
        error["field"].as_str().map(str::to_owned),
        error["message"].as_str().unwrap_or_default().to_owned(),
    )
}

fn on_token(code: &str, message: &str) -> (String, Option<String>, String) {
    (
        code.to_owned(),
        Some("accessToken".to_owned()),
        message.to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_token_is_the_only_credential_and_there_is_no_demo_account() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    let query = "{ app(slug: \"mews\") { name available supportsDemoAccount capabilities notes
        fields { key kind required label help } } }";
    let app = hotel.owner.run(query, json!({})).await["app"].take();
    assert_eq!(app["supportsDemoAccount"], json!(false));
    assert_eq!(app["capabilities"], json!(["HOOKS", "STORES_PINS"]));
    let fields = app["fields"].as_array().unwrap();
    assert_eq!(fields.len(), 1);
    assert_eq!(fields[0]["key"], json!("accessToken"));
    assert_eq!(fields[0]["kind"], json!("SECRET"));
    assert_eq!(fields[0]["required"], json!(true));
    let help = fields[0]["help"].as_str().unwrap();
    assert!(
        help.contains("Marketplace") && help.contains("admin"),
        "{help}"
    );
    let query = "{ app(slug: \"demo\") { supportsDemoAccount fields { key kind visibleWhen } } }";
    let demo = hotel.owner.run(query, json!({})).await["app"].take();
    assert_eq!(demo["supportsDemoAccount"], json!(true));
    assert_eq!(
        demo["fields"][0],
        json!({"key": "demoAccount", "kind": "TOGGLE", "visibleWhen": null})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_saving_a_valid_token_the_integration_shows_connected() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    let answer = hotel.paste(&shown(&hotel.token)).await;
    assert_eq!(answer["userErrors"], json!([]));
    assert_eq!(answer["integration"]["status"], json!("CONNECTED"));
    assert_eq!(answer["integration"]["account"]["name"], json!("Aurora"));
    portal.settle().await;
    let integration = hotel.integration().await;
    assert_eq!(integration["sync"]["state"], json!("CURRENT"));
    assert_eq!(
        integration["credential"],
        json!({"version": 1, "setBy": {"name": "Olive Owner"}})
    );
    let query =
        "query($id: ID!) { property(id: $id) { timeZone rooms { nodes { name active kind } } } }";
    let house = hotel.owner.run(query, json!({ "id": hotel.id })).await["property"].take();
    assert_eq!(house["timeZone"], json!("Europe/Prague"));
    let room = |name: &str| json!({"name": name, "active": true, "kind": "ROOM"});
    assert_eq!(
        house["rooms"]["nodes"],
        json!([room("101"), room("102"), room("103")])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn extra_characters_around_the_token_do_no_harm() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    let token = shown(&hotel.token);
    let (front, back) = token.split_at(10);
    let pasted = format!("\u{feff} \t{front}\r\n{back}\u{200b} \n");
    let answer = hotel.paste(&pasted).await;
    assert_eq!(answer["integration"]["status"], json!("CONNECTED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_token_is_an_inline_error_and_nothing_is_stored() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    assert_eq!(
        error(&hotel.paste("NO-SUCH-TOKEN").await),
        on_token(
            "TOKEN_REFUSED",
            "Mews did not accept this token. Check that you pasted all of it, or ask your Mews admin for a new one."
        )
    );
    nothing_stored(&hotel).await;
    portal.mews.revoke_token(&hotel.token);
    let revoked = error(&hotel.paste(&shown(&hotel.token)).await);
    assert_eq!(revoked.0, "TOKEN_REFUSED");
    nothing_stored(&hotel).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_or_malformed_token_never_reaches_mews() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    for pasted in ["", "  \n", "\u{200b}"] {
        // Each paste signs in anew, which has a limit of its own.
        portal.clock.advance(Duration::seconds(15));
        assert_eq!(
            error(&hotel.paste(pasted).await),
            on_token("TOKEN_MISSING", "Paste the access token from Mews.")
        );
    }
    for pasted in ["schlüssel", &"A".repeat(513)] {
        portal.clock.advance(Duration::seconds(15));
        assert_eq!(
            error(&hotel.paste(pasted).await),
            on_token(
                "TOKEN_MALFORMED",
                "This does not look like a Mews access token. Copy it again, without any other text."
            )
        );
    }
    let unknown = json!([{"key": "accessToken", "value": "A"}, {"key": "clientId", "value": "B"}]);
    let answer = hotel.connect("mews", unknown).await;
    assert_eq!(answer["userErrors"][0]["code"], json!("FIELD_UNKNOWN"));
    assert_eq!(portal.mews.calls_of("configuration/get"), 0);
    nothing_stored(&hotel).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portfolio_token_is_refused() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    let other = portal.mews.add_enterprise("Sister", "Europe/Prague");
    let token = portal
        .mews
        .add_portfolio_token(&[&hotel.enterprise, &other.id]);
    assert_eq!(
        error(&hotel.paste(&shown(&token)).await),
        on_token(
            "PORTFOLIO_TOKEN",
            "This token covers several Mews properties. Ask your Mews admin for the token of this property alone."
        )
    );
    nothing_stored(&hotel).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_pms_account_is_linked_to_a_single_property() {
    let portal = Portal::start().await;
    let first = portal.house("Aurora", &[]).await;
    let second = portal.hotel("Borealis").await;
    let expected = on_token(
        "ACCOUNT_ALREADY_LINKED",
        "This Mews property is already linked to another property in Portal. It can be linked to one only.",
    );
    // The very token, and another one of the same account.
    assert_eq!(error(&second.paste(&shown(&first.token)).await), expected);
    let another = portal.mews.add_access_token(&first.enterprise);
    assert_eq!(error(&second.paste(&shown(&another)).await), expected);
    nothing_stored(&second).await;
    assert_eq!(first.status().await, "CONNECTED");

    // Once it is disconnected there, the account is free.
    let integration = first.integration().await["id"].clone();
    let query = "mutation($id: ID!) { integrationDisconnect(input: {integration: $id}) {
        integration { status statusMessage credential { version } } userErrors { code } } }";
    let answer = first.owner.run(query, json!({ "id": integration })).await;
    let ended = &answer["integrationDisconnect"]["integration"];
    assert_eq!(ended["status"], json!("DISCONNECTED"));
    assert_eq!(
        ended["statusMessage"],
        json!("Disconnected by Olive Owner.")
    );
    assert_eq!(ended["credential"], Value::Null);
    let answer = second.paste(&shown(&first.token)).await;
    assert_eq!(answer["integration"]["status"], json!("CONNECTED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_pms_is_refused_until_the_first_is_disconnected() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let answer = hotel
        .connect("demo", json!([{"key": "demoAccount", "value": "true"}]))
        .await;
    let expected = (
        "ALREADY_CONNECTED".to_owned(),
        None,
        "This property is already connected to Mews. Disconnect it first.".to_owned(),
    );
    assert_eq!(error(&answer), expected);
    let fresh = portal.hotel("Borealis").await;
    let answer = fresh
        .connect("demo", json!([{"key": "demoAccount", "value": "true"}]))
        .await;
    assert_eq!(answer["integration"]["status"], json!("CONNECTED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_five_tries_a_minute_a_sixth_must_wait() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    // Signing in has a limit of its own, so one session does all six.
    let owner = hotel.sign_in().await;
    let query = "mutation($id: ID!) { integrationConnect(input: {property: $id, app: \"mews\",
        values: [{key: \"accessToken\", value: \"WRONG\"}]}) { userErrors { code message } } }";
    let mut codes = Vec::new();
    for _ in 0..6 {
        let answer = owner.run(query, json!({ "id": hotel.id })).await;
        codes.push(answer["integrationConnect"]["userErrors"][0].clone());
    }
    assert!(
        codes[..5]
            .iter()
            .all(|error| error["code"] == "TOKEN_REFUSED"),
        "{codes:?}"
    );
    let expected = json!({"code": "TOO_MANY_ATTEMPTS", "message": "Too many attempts. Wait a minute and try again."});
    assert_eq!(codes[5], expected);
    assert_eq!(portal.mews.calls_of("configuration/get"), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_settings_of_the_operator_mews_is_not_available() {
    let portal = Portal::start_with(|vendors| vendors.mews_client_token = None).await;
    let hotel = portal.hotel("Aurora").await;
    let answer = hotel
        .owner
        .run("{ app(slug: \"mews\") { available } }", json!({}))
        .await;
    assert_eq!(answer["app"]["available"], json!(false));
    let expected = (
        "APP_NOT_CONFIGURED".to_owned(),
        None,
        "Mews is not set up on this Portal server. Ask the person who runs it.".to_owned(),
    );
    assert_eq!(error(&hotel.paste("A-TOKEN").await), expected);
    nothing_stored(&hotel).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_portal_does_not_understand_stores_nothing() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    portal
        .mews
        .inject(Fault::Html, Some("configuration/get"), 1);
    let expected = (
        "UNEXPECTED_ANSWER".to_owned(),
        None,
        "Mews sent an answer Portal does not understand. Nothing was saved.".to_owned(),
    );
    assert_eq!(error(&hotel.paste(&shown(&hotel.token)).await), expected);
    nothing_stored(&hotel).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_but_still_not_connected_is_settled_in_the_background() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    portal
        .mews
        .inject(Fault::Status { status: 503 }, Some("configuration/get"), 2);
    let answer = hotel.paste(&shown(&hotel.token)).await;
    assert_eq!(answer["userErrors"], json!([]));
    assert_eq!(answer["integration"]["status"], json!("PENDING"));
    let message = "Saved. Mews did not answer yet; Portal keeps checking.";
    assert_eq!(answer["integration"]["statusMessage"], json!(message));
    portal.settle().await;
    assert_eq!(hotel.status().await, "PENDING");
    portal.later(Duration::seconds(11)).await;
    assert_eq!(
        hotel.status().await,
        "PENDING",
        "the second answer was no verdict either"
    );
    portal.later(Duration::seconds(21)).await;
    assert_eq!(hotel.status().await, "CONNECTED");
    let integration = hotel.integration().await;
    assert_eq!(integration["credential"]["version"], json!(1));
    assert_eq!(integration["candidate"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_token_that_turns_out_wrong_is_erased_and_says_why() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    portal
        .mews
        .inject(Fault::Status { status: 500 }, Some("configuration/get"), 1);
    let answer = hotel.paste("WRONG-TOKEN").await;
    assert_eq!(answer["integration"]["status"], json!("PENDING"));
    portal.later(Duration::seconds(11)).await;
    let integration = hotel.integration().await;
    assert_eq!(integration["status"], json!("DISCONNECTED"));
    assert_eq!(integration["statusReason"], json!("TOKEN_REFUSED"));
    assert_eq!(integration["candidate"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_owners_and_general_managers_may_touch_apps() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let apps = "{ apps { nodes { slug } } }";
    let connect = "mutation($id: ID!) { integrationConnect(input: {property: $id, app: \"mews\",
        values: [{key: \"accessToken\", value: \"X\"}]}) { userErrors { code } } }";
    let id = json!({ "id": hotel.id });
    for (role, may) in [
        (Role::GeneralManager, true),
        (Role::Team, false),
        (Role::Housekeeping, false),
        (Role::Installer, false),
    ] {
        let person = portal.person(&hotel, role).await;
        if may {
            let answer = person.run(apps, json!({})).await;
            assert_eq!(
                answer["apps"]["nodes"].as_array().map(Vec::len),
                Some(3),
                "{role}"
            );
            assert_eq!(
                person.run(connect, id.clone()).await["integrationConnect"]["userErrors"][0]["code"],
                json!("TOKEN_REFUSED")
            );
        } else {
            assert_eq!(person.refused(apps, json!({})).await, "FORBIDDEN", "{role}");
            assert_eq!(
                person.refused(connect, id.clone()).await,
                "FORBIDDEN",
                "{role}"
            );
        }
    }
    assert_eq!(hotel.status().await, "CONNECTED");
    let nobody = Caller::anonymous(portal.address);
    assert_eq!(nobody.refused(apps, json!({})).await, "UNAUTHENTICATED");
}
