//! What staff do in Portal itself, and what becomes of the link to the PMS.

use super::Lot;
use crate::harness::{find, shown, text};
use chrono::Duration;
use rand::RngExt;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The call that asks whether the token is good.
const CHECK: &str = "configuration/get";

impl Lot<'_> {
    /// Something staff do.
    pub(super) async fn staff(&mut self) {
        match self.rng.random_range(0..14) {
            0..=2 => self.revoke().await,
            3..=5 => self.reinstate().await,
            6 | 7 => self.rotate().await,
            8 | 9 => self.reveal().await,
            10 | 11 => self.map_or_unmap().await,
            12 => self.install_or_remove().await,
            _ if self.house.broken => self.mend().await,
            _ => self.break_link().await,
        }
    }

    /// A stay that has a keychain.
    fn some_guest(&mut self) -> Option<usize> {
        let stays = 0..self.house.stays.len();
        let having: Vec<usize> = stays.filter(|stay| self.house.has_access(*stay)).collect();
        having.choose(&mut self.rng).copied()
    }

    async fn keychain(&self, stay: usize) -> Value {
        let number = &self.house.stays[stay].number;
        self.hotel.reservation(number).await["keychain"]["id"].clone()
    }

    async fn revoke(&mut self) {
        let Some(stay) = self.some_guest() else {
            return;
        };
        self.tell(format!("staff revoke {stay}"));
        let keychain = self.keychain(stay).await;
        let input = json!({ "keychain": keychain, "reason": "lost phone" });
        self.hotel.tell("keychainRevoke", input).await;
        self.portal.settle().await;
        self.house.revoke(stay);
        self.taken
            .push((self.house.stays[stay].number.clone(), keychain));
    }

    async fn reinstate(&mut self) {
        let Some((number, keychain)) = self.taken.pop() else {
            return;
        };
        let mut stays = self.house.stays.iter();
        let Some(stay) = stays.position(|stay| stay.number == number) else {
            return;
        };
        self.tell(format!("staff give back {stay}"));
        let input = json!({ "keychain": keychain });
        self.hotel.tell("keychainReinstate", input).await;
        self.portal.settle().await;
        self.house.reinstate(stay);
    }

    async fn rotate(&mut self) {
        let Some(stay) = self.some_guest() else {
            return;
        };
        self.tell(format!("staff give {stay} another PIN"));
        let keychain = self.keychain(stay).await;
        let input = json!({ "keychain": keychain, "reason": "told to others" });
        self.hotel.tell("pinRotate", input).await;
        self.portal.settle().await;
        self.house.rotate(stay);
    }

    async fn reveal(&mut self) {
        let Some(stay) = self.some_guest() else {
            return;
        };
        self.tell(format!("staff look at the PIN of {stay}"));
        let query =
            "mutation($id: ID!) { pinReveal(input: {keychain: $id, reason: \"asked at the desk\"})
            { code userErrors { code } } }";
        let variables = json!({ "id": self.keychain(stay).await });
        let answer = self.hotel.ask(query, variables).await;
        let code = text(&answer["pinReveal"]["code"]);
        self.shown += 1;
        let known = self.house.pin_of(stay);
        assert_eq!(
            Some(code.as_str()),
            known,
            "the PIN of {stay}: {:#?}",
            self.story
        );
    }

    async fn map_or_unmap(&mut self) {
        let room = self.house.some_door(&mut self.rng);
        let id = self.hotel.room(&room).await;
        if self.house.is_mapped(&room) {
            self.tell(format!("staff unmap {room}"));
            let input = json!({ "room": id, "endInHouseAccess": true, "reason": "it is rebuilt" });
            self.hotel.tell("roomUnmap", input).await;
        } else {
            self.tell(format!("staff map {room}"));
            let space = self.hotel.space(&format!("Room {room}")).await;
            let input = json!({ "room": id, "space": space });
            self.hotel.tell("roomMap", input).await;
        }
        self.portal.settle().await;
        self.house.map_or_unmap(&room);
    }

    async fn install_or_remove(&mut self) {
        let room = self.house.some_door(&mut self.rng);
        let query = "query($id: ID!) { property(id: $id) { devices { nodes { id name } } } }";
        let devices = self.hotel.ask(query, json!({ "id": self.hotel.id })).await;
        let lock = format!("Lock {room}");
        let device = find(&devices["property"]["devices"]["nodes"], &lock);
        if self.house.is_installed(&room) {
            self.tell(format!("staff take the lock of {room} out"));
            let input =
                json!({ "device": device, "endInHouseAccess": true, "reason": "it is repaired" });
            self.hotel.tell("deviceRemove", input).await;
        } else {
            self.tell(format!("staff install the lock of {room}"));
            let space = self.hotel.space(&format!("Room {room}")).await;
            let input = json!({ "device": device, "space": space });
            self.hotel.tell("deviceInstall", input).await;
        }
        self.portal.settle().await;
        self.house.install_or_remove(&room);
    }

    /// The token is revoked in the PMS, and Portal notices.
    async fn break_link(&mut self) {
        self.tell("the token is revoked".to_owned());
        self.portal.mews.revoke_tokens(&self.hotel.enterprise);
        self.house.broken = true;
        self.portal.later(Duration::seconds(75)).await;
        self.portal.later(Duration::seconds(95)).await;
        assert_eq!(self.hotel.status().await, "BROKEN", "{:#?}", self.story);
        self.calls = self.calls_with_token();
    }

    /// A new token is pasted, and Portal catches up.
    pub(super) async fn mend(&mut self) {
        self.tell("a new token is pasted".to_owned());
        // INV-9: what the token was good for is not asked for any more.
        assert_eq!(self.calls, self.calls_with_token(), "{:#?}", self.story);
        let token = self.portal.mews.add_access_token(&self.hotel.enterprise);
        let answer = self.hotel.reconnect(&shown(&token)).await;
        assert_eq!(answer["userErrors"], json!([]), "{:#?}", self.story);
        self.portal.settle().await;
        assert_eq!(self.hotel.status().await, "CONNECTED");
        self.house.broken = false;
        self.said.clear();
        self.house.all_seen();
    }

    /// How often each thing was asked of the PMS, but for whether the token is good.
    fn calls_with_token(&self) -> BTreeMap<String, u32> {
        let mut calls = self.portal.mews.calls();
        calls.retain(|operation, _| !operation.starts_with(CHECK));
        calls
    }
}
