use crate::harness::TestDatabase;
use chrono::{DateTime, Duration, Utc};
use portal_interface::{Clock, FixedClock, Http, OpenGate};
use portal_jobs::integration::{Staff, connect};
use portal_jobs::{Adapter, Apps, Chance, Entry, Env, drain, registry, sweep, trigger};
use portal_store::event::Actor;
use portal_store::{Sealer, property, reservation, room, space};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn flow() {
    let database = TestDatabase::new().await;
    let now: DateTime<Utc> = "2026-12-01T10:00:00Z".parse().unwrap();
    let clock = Arc::new(FixedClock::new(now));
    let dyn_clock: Arc<dyn Clock> = clock.clone();
    let demo = portal_demo::DemoPms::new(dyn_clock.clone());
    let locks = portal_virtual::fake::FakeLocks::start("127.0.0.1:0".parse().unwrap(), dyn_clock.clone()).await.unwrap();
    let http = Http::new(Arc::new(OpenGate));
    let vl = portal_virtual::VirtualLocks::new(locks.url().to_owned(), http);
    let env = Arc::new(Env {
        db: database.db.clone(),
        clock: dyn_clock,
        chance: Chance::seeded(1),
        sealer: Sealer::parse(&Sealer::generate().unwrap()).unwrap(),
        apps: Apps::new(vec![
            Entry { app: &portal_demo::APP, adapter: Some(Adapter::Pms(Arc::new(demo.clone()))) },
            Entry { app: &portal_virtual::APP, adapter: Some(Adapter::Locks(Arc::new(vl))) },
        ]),
    });
    let mut tx = env.db.begin().await.unwrap();
    let org = property::create_organization(&mut tx, "O", now).await.unwrap();
    let house = property::create(&mut tx, org, "H", now).await.unwrap();
    let user = portal_store::user::create(&mut tx, "a@b", "A", "x", now).await.unwrap();
    tx.commit().await.unwrap();
    let staff = Staff { user, actor: Actor::system() };
    let r = connect(&env, &staff, house, "demo", &[("demoAccount".into(), "true".into())]).await;
    println!("{r:?}");
    let site = locks.add_site("S");
    let lock = locks.add_lock(&site.id, "Lock 1", &[]);
    let r = connect(&env, &staff, house, "virtual-locks", &[("accessKey".into(), site.key.clone())]).await;
    println!("{r:?}");
    let registry = registry();
    for _ in 0..3 {
        sweep::sweep(&env, false).await.unwrap();
        let d = drain(&env, &registry).await.unwrap();
        println!("{d:?}");
        clock.advance(Duration::seconds(80));
    }
    let mut conn = env.db.read().await.unwrap();
    let rooms = room::page(&mut conn, house, None, &portal_store::page::Page::first(100)).await.unwrap();
    println!("{:?}", rooms.iter().map(|r| &r.name).collect::<Vec<_>>());
    let rs = reservation::page(&mut conn, house, &reservation::Filter::default(), &portal_store::page::Page::first(100)).await.unwrap();
    for r in &rs { println!("{} {} {:?} {:?} {:?}", r.number, r.state, r.room_external_id, r.transfer, r.withheld_code); }
    drop(conn);
    let _ = (trigger::rooms, space::by_id, lock);
}
