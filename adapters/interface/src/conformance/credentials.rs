//! CRED-1 to CRED-3: what credentials open, what errors mean, and which rights are missing.

use super::house::PmsScene;
use super::run::{Answered, Checked, fail, must};
use super::stage::{Fault, Reply, Wire};
use super::subject::Subject;
use crate::{
    Account, AdapterError, AppCategory, Credentials, Opens, Pull, RemoteAccount, Right, Trouble,
};
use chrono::Duration;

/// Good credentials open one account, the same each time; bad ones are refused with one call at
/// most; of several accounts none is chosen.
pub(super) async fn cred_1(scene: &impl Subject) -> Checked {
    let vendor = scene.vendor();
    let first = opened(scene, &vendor.account()).await?;
    must!(
        !first.name.trim().is_empty(),
        "the account {} has no name",
        first.key
    );
    let mut again = vec![opened(scene, &vendor.account()).await?];
    match vendor.renewed() {
        Ok(renewed) => again.push(opened(scene, &renewed).await?),
        Err(cannot) => scene.without(cannot),
    }
    for other in again {
        must!(
            other.key == first.key,
            "the same account is {} and then {}",
            first.key,
            other.key
        );
    }
    let nothing = Credentials::default();
    let nobody = Account::new(portal_domain::IntegrationId::new(), nothing, None);
    for (whose, account) in [("wrong", vendor.stranger()), ("no", nobody)] {
        refused(scene, whose, &account).await?;
    }
    match vendor.several() {
        Ok(several) => {
            let opens = scene.validate(&several).await;
            let opens = opens.answered("credentials of several accounts")?;
            must!(
                opens == Opens::Several,
                "of several accounts one was chosen: {opens:?}"
            );
        }
        Err(cannot) => scene.without(cannot),
    }
    let mine = vendor.account();
    vendor.revoke();
    refused(scene, "revoked", &mine).await
}

async fn opened(scene: &impl Subject, account: &Account) -> Checked<RemoteAccount> {
    match scene.validate(account).await.answered("good credentials")? {
        Opens::One(account) => Ok(account),
        Opens::Several => fail!("credentials of one account open several"),
    }
}

async fn refused(scene: &impl Subject, whose: &str, account: &Account) -> Checked {
    let calls = || scene.vendor().wire().map_or(0, Wire::requests);
    let before = calls();
    let answer = scene.validate(account).await;
    must!(
        answer == Err(AdapterError::Unauthorized),
        "{whose} credentials are answered with {answer:?}"
    );
    let made = calls() - before;
    must!(made <= 1, "{whose} credentials took {made} calls");
    Ok(())
}

/// Each answer that is no success becomes the error of the adapter's table, whatever was asked.
pub(super) async fn cred_2(scene: &impl Subject) -> Checked {
    let wire = scene.vendor().wire()?;
    let table = wire.errors();
    sane(&table)?;
    // Whatever is needed to ask is there before.
    scene.everything().await;
    for (reply, error) in &table {
        wire.reply(Some(reply.clone()));
        for (asked, answer) in scene.everything().await {
            // What `refused` makes of a refusal is a right.
            let is_right = asked == "refused" || alike(&answer, error);
            must!(
                is_right,
                "{asked}: status {} became {answer:?}",
                reply.status
            );
        }
    }
    wire.reply(None);
    wire.next(Some(Fault::Cut));
    let answer = scene.validate(&scene.vendor().account()).await;
    must!(
        answer == Err(AdapterError::Unreachable(Trouble::Cut)),
        "a connection that ended became {answer:?}"
    );
    let page = Reply {
        status: 200,
        headers: Vec::new(),
        body: "<html><body>We will be back soon.</body></html>".to_owned(),
    };
    wire.reply(Some(page));
    for (asked, answer) in scene.everything().await {
        let unreadable = matches!(&answer, Err(AdapterError::Unreadable { at }) if !at.is_empty());
        must!(unreadable, "{asked}: a page of text became {answer:?}");
    }
    wire.reply(None);
    let account = scene.vendor().account();
    scene
        .validate(&account)
        .await
        .answered("validate")
        .map(drop)
}

/// Whether an answer is that error. How long to wait is another check's.
fn alike(answer: &Result<String, AdapterError>, error: &AdapterError) -> bool {
    use AdapterError::RateLimited;
    match (answer, error) {
        (Err(RateLimited { .. }), RateLimited { .. }) => true,
        (Err(answer), error) => answer == error,
        (Ok(_), _) => false,
    }
}

/// Some rows no vendor may have otherwise.
fn sane(table: &[(Reply, AdapterError)]) -> Checked {
    let of = |status: u16| {
        let mut rows = table.iter().filter(|(reply, _)| reply.status == status);
        rows.next().map(|(_, error)| error)
    };
    must!(
        of(401) == Some(&AdapterError::Unauthorized),
        "status 401 is no refusal in the table"
    );
    must!(
        matches!(of(403), Some(AdapterError::Declined { .. })),
        "status 403 counts against the credentials in the table"
    );
    for status in [500, 503] {
        let expected = AdapterError::Unreachable(Trouble::Status(status));
        must!(
            of(status) == Some(&expected),
            "status {status} says something about the request in the table"
        );
    }
    Ok(())
}

/// What is declared is there. Without the right to store PINs that is told, nothing is stored, and
/// reading works on.
pub(super) async fn cred_3(scene: &PmsScene) -> Checked {
    let (adapter, account) = (&scene.adapter, &scene.account);
    let app = adapter.app();
    let declared = app.capabilities;
    must!(
        app.category == AppCategory::Pms,
        "the app is declared as {:?}",
        app.category
    );
    for (what, there, declared) in [
        ("PINs", adapter.pins().is_some(), declared.stores_pins),
        ("webhooks", adapter.hooks().is_some(), declared.hooks),
    ] {
        must!(
            there == declared,
            "{what} are declared: {declared}, there: {there}"
        );
    }
    must!(
        declared.stores_pins || !declared.shows_pins,
        "PINs are shown but not stored"
    );
    let refused = adapter.refused(account).await.answered("refused")?;
    must!(refused.is_empty(), "{refused:?} are missing from the start");
    let Some(pins) = adapter.pins() else {
        return Ok(());
    };
    let stage = scene.pin_stage()?;
    let (stay, room) = scene.guest();
    stage.allow(false);
    let refused = adapter.refused(account).await.answered("refused")?;
    must!(
        refused == [Right::StorePins],
        "without the right to store PINs, {refused:?} are missing"
    );
    let put = pins.put(account, &scene.wish(stay, room, "4711")).await;
    must!(
        matches!(
            put,
            Err(AdapterError::Unauthorized | AdapterError::Declined { .. })
        ),
        "storing a PIN without the right answered {put:?}"
    );
    adapter.validate(account).await.answered("validate")?;
    adapter.rooms(account).await.answered("rooms")?;
    let (from, to) = (scene.now(), scene.now() + Duration::days(9));
    let window = Pull::Window { from, to, at: None };
    scene.pull(window, 100).await.answered("a window")?;
    stage.allow(true);
    must!(
        stage.holds(stay).is_empty(),
        "a PIN was stored without the right"
    );
    let refused = adapter.refused(account).await.answered("refused")?;
    must!(refused.is_empty(), "{refused:?} are missing after all");
    Ok(())
}
