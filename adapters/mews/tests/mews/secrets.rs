//! Tokens and PINs are in nothing that can be printed.

use crate::support::{CLIENT_TOKEN, House, account, id};
use portal_interface::{AdapterError, ExposeSecret, Http, OpenGate, Pms, StayPin, StayPins};
use portal_mews::fake::{Booking, Fault, Options};
use portal_mews::{Mews, Settings};
use std::fmt::Write;
use std::sync::Arc;

#[tokio::test]
async fn nothing_that_can_be_printed_holds_a_secret() {
    let house = House::open().await;
    let booking = Booking::new(
        crate::support::at("2026-11-24T14:00:00Z"),
        crate::support::at("2026-11-26T10:00:00Z"),
    );
    let stay = house.fake.book(&house.enterprise, &booking);
    house.fake.add_pin(&stay, None, "918273");
    let settings = Settings {
        client_token: CLIENT_TOKEN.into(),
        client_name: "Portal 0.1.0".to_owned(),
        api_url: house.fake.url().to_owned(),
    };
    let options = Options::new(CLIENT_TOKEN.into(), house.clock.clone());
    let entry = house.fake.add_enterprise("Other", "Europe/Oslo");
    let mut printed = format!(
        "{settings:?} {options:?} {entry:?} {:?} {:?} {:?} {:?}",
        house.fake,
        house.mews,
        house.account,
        house.fake.pins(&stay),
    );
    let mews = Mews::new(settings, Http::new(Arc::new(OpenGate)), house.clock.clone());
    let want = StayPins {
        reservation: id(&stay),
        mark: "portal:1".to_owned(),
        known: None,
        pin: Some(StayPin {
            // No such room: Mews declines.
            room: id("00000000-0000-4000-8000-000000000000"),
            bed: false,
            common_doors: false,
            pin: "564738".into(),
            from: crate::support::at("2026-11-24T14:00:00Z"),
            until: crate::support::at("2026-11-26T10:00:00Z"),
        }),
    };
    let error = mews.pins().unwrap().put(&house.account, &want).await;
    let error = error.unwrap_err();
    assert_eq!(error, AdapterError::Declined { said: None });
    write!(printed, "{want:?} {error:?} {error}").unwrap();
    for fault in [Fault::Html, Fault::Cut, Fault::Status { status: 403 }] {
        house.fake.inject(fault, None, 1);
        let error = mews.rooms(&house.account).await.unwrap_err();
        write!(printed, "{error:?} {error}").unwrap();
    }
    let error = mews.validate(&account(&"not-a-token-of-ours".into())).await;
    write!(printed, "{error:?} {:?}", house.fake.refused()).unwrap();
    for secret in [
        CLIENT_TOKEN,
        house.token.expose_secret(),
        entry.access_token.expose_secret(),
        "not-a-token-of-ours",
        "918273",
        "564738",
    ] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}
