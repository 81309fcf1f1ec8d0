//! The staff guide, step by step, through the API as a client would.

use super::{Demo, HOUSE, OTHER_HOUSE};
use chrono::Duration;
use portal_interface::{Clock, SecretString};
use portal_mews::fake::Booking;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::error::Error;

type Step<T = ()> = Result<T, Box<dyn Error>>;

const INTEGRATION: &str =
    "query($id: ID!) { property(id: $id) { integrations(category: PMS) { nodes {
    id status statusReason statusMessage fix account { name } sync { state }
    validationAttempts(first: 1) { nodes { outcome httpStatus trigger } } } } } }";

const RESERVATION: &str = "query($id: ID!, $number: String!) { property(id: $id) {
    reservations(filter: {number: $number}, transfer: [TRANSFERRED, WITHHELD, ENDED]) { nodes {
      id transfer guestName withheld { code message }
      keychain { id status provisioning mainSpace { name }
        pmsCopy { status shownToGuest } } } }
    listed: reservations(filter: {number: $number}) { nodes { id } } } }";

const CONNECT: &str = "mutation($property: ID!, $app: String!, $values: [AppFieldValue!]!) {
    integrationConnect(input: {property: $property, app: $app, values: $values}) {
      integration { id status account { name } }
      userErrors { field code message } } }";

/// Walks the whole guide. The first step that shows something else ends it.
pub(super) async fn walk(demo: &Demo) -> Step {
    let mut walk = Walk {
        demo,
        steps: 0,
        house: String::new(),
        other: String::new(),
    };
    walk.sign_in().await?;
    walk.catalogue().await?;
    walk.wrong_token().await?;
    let integration = walk.connect().await?;
    walk.already_linked().await?;
    let rooms = walk.rooms().await?;
    walk.held_for_the_mapping().await?;
    let space = walk.map(&rooms[0]).await?;
    walk.install(&space).await?;
    let pin = walk.pin_everywhere().await?;
    walk.unassign_and_reassign(&pin).await?;
    walk.broken().await?;
    walk.mended(&integration).await?;
    walk.canceled(&pin).await?;
    walk.nothing_refused()?;
    println!("\nAll {} steps showed what the guide says.", walk.steps);
    Ok(())
}

struct Walk<'a> {
    demo: &'a Demo,
    steps: u32,
    house: String,
    other: String,
}

impl Walk<'_> {
    fn step(&mut self, title: &str) {
        self.steps += 1;
        println!("{:>2}. {title}", self.steps);
    }

    async fn run(&self, query: &str, variables: Value) -> Step<Value> {
        self.demo.client.run(query, variables).await
    }

    async fn until(
        &self,
        what: &str,
        query: &str,
        variables: Value,
        is: impl Fn(&Value) -> bool,
    ) -> Step<Value> {
        self.demo.client.until(what, query, variables, is).await
    }

    /// Portal looks at Mews every minute or so: the demo's clock moves on instead of waiting.
    fn a_minute_later(&self) {
        self.demo.clock.advance(Duration::seconds(75));
    }

    async fn sign_in(&mut self) -> Step {
        self.step("Sign in to Portal");
        self.demo.client.sign_in().await?;
        let answer = self
            .run(
                "{ viewer { name permissions } properties { nodes { id name } } }",
                json!({}),
            )
            .await?;
        let id = |name: &str| {
            let nodes = answer["properties"]["nodes"].as_array();
            let found = nodes.and_then(|nodes| nodes.iter().find(|node| node["name"] == name));
            found
                .and_then(|node| node["id"].as_str())
                .unwrap_or_default()
                .to_owned()
        };
        self.house = id(HOUSE);
        self.other = id(OTHER_HOUSE);
        let apps = answer["viewer"]["permissions"]
            .as_array()
            .is_some_and(|all| all.contains(&json!("APPS")));
        same("may use the Apps tab", &json!(apps), &json!(true))?;
        saw(format!(
            "{}, who may use the Apps tab",
            text(&answer["viewer"]["name"])
        ));
        Ok(())
    }

    async fn catalogue(&mut self) -> Step {
        self.step("Open Apps and choose Mews: one secret field, no Demo Account switch");
        let answer = self
            .run(
                "{ app(slug: \"mews\") { available supportsDemoAccount notes fields { key kind required } }
                   demo: app(slug: \"demo\") { supportsDemoAccount fields { key kind } } }",
                json!({}),
            )
            .await?;
        let field = json!([{"key": "accessToken", "kind": "SECRET", "required": true}]);
        same("the form of Mews", &answer["app"]["fields"], &field)?;
        same(
            "Mews has no demo account",
            &answer["app"]["supportsDemoAccount"],
            &json!(false),
        )?;
        same(
            "the demo app has one",
            &answer["demo"]["supportsDemoAccount"],
            &json!(true),
        )?;
        saw("Mews asks for accessToken alone; the demo app has a switch".to_owned());
        Ok(())
    }

    async fn connect_with(&self, property: &str, app: &str, key: &str, value: &str) -> Step<Value> {
        let variables = json!({
            "property": property, "app": app, "values": [{"key": key, "value": value}],
        });
        let mut answer = self.run(CONNECT, variables).await?;
        Ok(answer["integrationConnect"].take())
    }

    async fn wrong_token(&mut self) -> Step {
        self.step("Paste a wrong token and save: an inline error, nothing stored");
        let answer = self
            .connect_with(&self.house, "mews", "accessToken", "WRONG-TOKEN")
            .await?;
        let error = &answer["userErrors"][0];
        same("the code", &error["code"], &json!("TOKEN_REFUSED"))?;
        same("the field", &error["field"], &json!("accessToken"))?;
        same("nothing stored", &answer["integration"], &Value::Null)?;
        let stored = self.run(INTEGRATION, json!({ "id": self.house })).await?;
        same(
            "no integration",
            &stored["property"]["integrations"]["nodes"],
            &json!([]),
        )?;
        saw(text(&error["message"]));
        Ok(())
    }

    async fn connect(&mut self) -> Step<String> {
        self.step("Paste the token, with blanks and a line break around it: Connected");
        let pasted = format!("  {}\r\n", self.demo.token.expose_secret());
        let answer = self
            .connect_with(&self.house, "mews", "accessToken", &pasted)
            .await?;
        same("no errors", &answer["userErrors"], &json!([]))?;
        let integration = &answer["integration"];
        same("the status", &integration["status"], &json!("CONNECTED"))?;
        saw(format!(
            "CONNECTED to {}",
            text(&integration["account"]["name"])
        ));
        Ok(text(&integration["id"]))
    }

    async fn already_linked(&mut self) -> Step {
        self.step("One PMS account, one property: its token is refused at another house");
        let token = self.demo.token.expose_secret();
        let answer = self
            .connect_with(&self.other, "mews", "accessToken", token)
            .await?;
        let error = &answer["userErrors"][0];
        same("the code", &error["code"], &json!("ACCOUNT_ALREADY_LINKED"))?;
        saw(text(&error["message"]));
        let own = self.demo.other_token.expose_secret();
        let answer = self
            .connect_with(&self.other, "mews", "accessToken", own)
            .await?;
        same(
            "its own token",
            &answer["integration"]["status"],
            &json!("CONNECTED"),
        )?;
        Ok(())
    }

    async fn rooms(&mut self) -> Step<Vec<String>> {
        self.step("Rooms arrive in the background");
        let query = "query($id: ID!) { property(id: $id) { timeZone
            rooms { nodes { id name space { name } } } } }";
        let answer = self
            .until(
                "three rooms",
                query,
                json!({ "id": self.house }),
                |answer| {
                    answer["property"]["rooms"]["nodes"]
                        .as_array()
                        .is_some_and(|rooms| rooms.len() == 3)
                },
            )
            .await?;
        let rooms = answer["property"]["rooms"]["nodes"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let names: Vec<String> = rooms.iter().map(|room| text(&room["name"])).collect();
        same("the rooms", &json!(names), &json!(["101", "102", "103"]))?;
        saw(format!(
            "{} in {}",
            names.join(", "),
            text(&answer["property"]["timeZone"])
        ));
        Ok(rooms.iter().map(|room| text(&room["id"])).collect())
    }

    async fn reservation(
        &self,
        number: &str,
        what: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Step<Value> {
        let variables = json!({ "id": self.house, "number": number });
        let answer = self
            .until(what, RESERVATION, variables, |answer| {
                is(&answer["property"]["reservations"]["nodes"][0])
            })
            .await?;
        Ok(answer["property"].clone())
    }

    async fn held_for_the_mapping(&mut self) -> Step {
        self.step("A reservation of room 101 is held, and says why: the room is not mapped");
        let now = self.demo.clock.now();
        let stay = Booking::new(now + Duration::hours(2), now + Duration::days(2))
            .number("1001")
            .guest("Ada Guest")
            .room("101");
        self.demo.mews.book(&self.demo.enterprise, &stay);
        self.a_minute_later();
        let seen = self
            .reservation("1001", "the reservation", |stay| {
                stay["withheld"]["code"] == "ROOM_NOT_MAPPED"
            })
            .await?;
        let stay = &seen["reservations"]["nodes"][0];
        same("no keychain", &stay["keychain"], &Value::Null)?;
        same("it is not listed", &seen["listed"]["nodes"], &json!([]))?;
        saw(text(&stay["withheld"]["message"]));
        Ok(())
    }

    async fn map(&mut self, room: &str) -> Step<String> {
        self.step("Map room 101 to a space: now it is held for want of a lock");
        let created = self
            .run(
                "mutation($property: ID!) { spaceCreate(input: {property: $property, name: \"Room 101\", kind: ROOM})
                   { space { id } userErrors { message } } }",
                json!({ "property": self.house }),
            )
            .await?;
        let space = text(&created["spaceCreate"]["space"]["id"]);
        let mapped = self
            .run(
                "mutation($room: ID!, $space: ID!) { roomMap(input: {room: $room, space: $space})
                   { room { space { name } } userErrors { message } } }",
                json!({ "room": room, "space": space }),
            )
            .await?;
        same("no errors", &mapped["roomMap"]["userErrors"], &json!([]))?;
        let seen = self
            .reservation("1001", "the next reason", |stay| {
                stay["withheld"]["code"] == "NO_DEVICE_IN_ROOM"
            })
            .await?;
        saw(text(
            &seen["reservations"]["nodes"][0]["withheld"]["message"],
        ));
        Ok(space)
    }

    async fn install(&mut self, space: &str) -> Step {
        self.step("Connect the locks and install one in Room 101: a keychain appears");
        let key = self.demo.lock_key.expose_secret();
        let answer = self
            .connect_with(&self.house, "virtual-locks", "accessKey", key)
            .await?;
        same(
            "the locks",
            &answer["integration"]["status"],
            &json!("CONNECTED"),
        )?;
        let query = "query($id: ID!) { property(id: $id) { devices(installed: false) { nodes { id name } } } }";
        let answer = self
            .until(
                "three locks",
                query,
                json!({ "id": self.house }),
                |answer| {
                    answer["property"]["devices"]["nodes"]
                        .as_array()
                        .is_some_and(|devices| devices.len() == 3)
                },
            )
            .await?;
        let device = &answer["property"]["devices"]["nodes"][0];
        let installed = self
            .run(
                "mutation($device: ID!, $space: ID!) { deviceInstall(input: {device: $device, space: $space})
                   { device { space { name } } userErrors { message } } }",
                json!({ "device": device["id"], "space": space }),
            )
            .await?;
        same(
            "no errors",
            &installed["deviceInstall"]["userErrors"],
            &json!([]),
        )?;
        let seen = self
            .reservation("1001", "the keychain", |stay| {
                stay["transfer"] == "TRANSFERRED"
            })
            .await?;
        let keychain = &seen["reservations"]["nodes"][0]["keychain"];
        saw(format!(
            "TRANSFERRED, a keychain for {}",
            text(&keychain["mainSpace"]["name"])
        ));
        Ok(())
    }

    async fn pin_everywhere(&mut self) -> Step<SecretString> {
        self.step("Its PIN is on the lock and stored in Mews, which shows it nowhere");
        let seen = self
            .reservation("1001", "the PIN on the lock and in Mews", |stay| {
                stay["keychain"]["provisioning"] == "PROVISIONED"
                    && stay["keychain"]["pmsCopy"]["status"] == "STORED"
            })
            .await?;
        let keychain = &seen["reservations"]["nodes"][0]["keychain"];
        same(
            "shown to nobody",
            &keychain["pmsCopy"]["shownToGuest"],
            &json!(false),
        )?;
        let pin = self.reveal(&text(&keychain["id"])).await?;
        self.same_everywhere(&pin)?;
        saw("the PIN shown to staff, on the lock and in Mews is one and the same".to_owned());
        Ok(pin)
    }

    async fn reveal(&self, keychain: &str) -> Step<SecretString> {
        let answer = self
            .run(
                "mutation($keychain: ID!) { pinReveal(input: {keychain: $keychain, reason: \"demo\"})
                   { code userErrors { message } } }",
                json!({ "keychain": keychain }),
            )
            .await?;
        Ok(text(&answer["pinReveal"]["code"]).into())
    }

    /// The PIN opens the door now due, and Mews holds it once.
    fn same_everywhere(&self, pin: &SecretString) -> Step {
        let held = self.demo.mews.pins("1001");
        let in_mews: Vec<&str> = held.iter().map(|held| held.value.as_str()).collect();
        let at = self.demo.clock.now() + Duration::hours(3);
        let opens = self.demo.locks.opens("lock-1", pin.expose_secret(), at);
        if in_mews == [pin.expose_secret()] && opens {
            Ok(())
        } else {
            Err("the PIN is not the same on the lock and in Mews".into())
        }
    }

    async fn unassign_and_reassign(&mut self, pin: &SecretString) -> Step {
        self.step("The quick fix: unassign the room in Mews, then assign it again");
        self.demo.mews.assign("1001", None);
        self.a_minute_later();
        let seen = self
            .reservation("1001", "the reservation without a room", |stay| {
                stay["withheld"]["code"] == "ROOM_UNASSIGNED"
            })
            .await?;
        saw(text(
            &seen["reservations"]["nodes"][0]["withheld"]["message"],
        ));
        self.demo.mews.assign("1001", Some("101"));
        self.a_minute_later();
        self.reservation("1001", "the PIN back in its place", |stay| {
            stay["keychain"]["provisioning"] == "PROVISIONED"
                && stay["keychain"]["pmsCopy"]["status"] == "STORED"
        })
        .await?;
        self.same_everywhere(pin)?;
        saw("the keychain is back, with the PIN it had".to_owned());
        Ok(())
    }

    async fn broken(&mut self) -> Step {
        self.step("The token is revoked in Mews: after two refusals the status is Broken");
        self.demo.mews.revoke_token(&self.demo.token);
        let variables = json!({ "id": self.house });
        for _ in 0..3 {
            self.demo.clock.advance(Duration::seconds(100));
            tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        }
        let answer = self
            .until("Broken", INTEGRATION, variables, |answer| {
                answer["property"]["integrations"]["nodes"][0]["status"] == "BROKEN"
            })
            .await?;
        let integration = &answer["property"]["integrations"]["nodes"][0];
        same(
            "the fix",
            &integration["fix"],
            &json!("integrationReconnect"),
        )?;
        saw(text(&integration["statusMessage"]));
        let seen = self
            .reservation("1001", "the guest's keychain", |stay| {
                stay["transfer"] == "TRANSFERRED"
            })
            .await?;
        let keychain = &seen["reservations"]["nodes"][0]["keychain"];
        same(
            "the guest keeps the key",
            &keychain["provisioning"],
            &json!("PROVISIONED"),
        )?;
        saw("the guest of 1001 keeps the key".to_owned());
        Ok(())
    }

    async fn mended(&mut self, integration: &str) -> Step {
        self.step("A new token mends it, and what was booked meanwhile arrives");
        let now = self.demo.clock.now();
        let stay = Booking::new(now + Duration::days(3), now + Duration::days(4))
            .number("1002")
            .guest("Bo Guest")
            .room("101");
        self.demo.mews.book(&self.demo.enterprise, &stay);
        let token = self.demo.mews.add_access_token(&self.demo.enterprise);
        let answer = self
            .run(
                "mutation($integration: ID!, $value: String!) { integrationReconnect(input: {integration: $integration,
                   values: [{key: \"accessToken\", value: $value}]}) { integration { status } userErrors { message } } }",
                json!({ "integration": integration, "value": token.expose_secret() }),
            )
            .await?;
        let answer = &answer["integrationReconnect"];
        same("no errors", &answer["userErrors"], &json!([]))?;
        same(
            "the status",
            &answer["integration"]["status"],
            &json!("CONNECTED"),
        )?;
        let seen = self
            .reservation("1002", "the reservation made meanwhile", |stay| {
                stay["keychain"]["provisioning"] == "PROVISIONED"
                    && stay["keychain"]["pmsCopy"]["status"] == "STORED"
            })
            .await?;
        saw(format!(
            "CONNECTED; {} has a keychain too",
            text(&seen["reservations"]["nodes"][0]["guestName"])
        ));
        Ok(())
    }

    async fn canceled(&mut self, pin: &SecretString) -> Step {
        self.step("The reservation is canceled: the lock forgets the PIN, then Mews");
        self.demo.mews.cancel("1001", "RequestedByGuest");
        self.a_minute_later();
        self.reservation("1001", "the end of the reservation", |stay| {
            stay["transfer"] == "ENDED"
        })
        .await?;
        let started = tokio::time::Instant::now();
        loop {
            let at = self.demo.clock.now() + Duration::hours(3);
            let opens = self.demo.locks.opens("lock-1", pin.expose_secret(), at);
            if !opens && self.demo.mews.pins("1001").is_empty() {
                break;
            }
            if started.elapsed() > std::time::Duration::from_secs(20) {
                return Err("the PIN is still on the lock or in Mews".into());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        saw("gone from the lock and from Mews".to_owned());
        Ok(())
    }

    fn nothing_refused(&mut self) -> Step {
        self.step("Every request Portal made kept to the vendors' contracts");
        let refused = [self.demo.mews.refused(), self.demo.locks.refused()].concat();
        same("requests refused", &json!(refused), &json!([]))?;
        let calls: u32 = self.demo.mews.calls().values().sum();
        saw(format!(
            "{calls} requests to Mews, {} to the locks, 0 refused",
            self.demo.locks.calls().total()
        ));
        Ok(())
    }
}

fn saw(what: String) {
    println!("      {what}");
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn same(what: &str, found: &Value, expected: &Value) -> Step {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected}, found {found}").into())
    }
}
