use super::*;
use crate::DevicePinStatus as S;
use chrono::Duration;

#[test]
fn the_status_is_read_off_the_clock_and_a_revocation_stands_above_it() {
    let from: DateTime<Utc> = "2026-12-02T14:00:00Z".parse().expect("a time");
    let until = from + Duration::hours(69);
    let window = Window { from, until };
    let second = Duration::seconds(1);
    for (now, status, over) in [
        (from - second, KeychainStatus::Upcoming, false),
        (from, KeychainStatus::Current, false),
        (until - second, KeychainStatus::Current, false),
        (until, KeychainStatus::Past, true),
    ] {
        assert_eq!(KeychainStatus::at(now, window, false), status, "{now}");
        assert_eq!(status.is_over(), over, "{now}");
        let revoked = KeychainStatus::at(now, window, true);
        assert_eq!(revoked, KeychainStatus::Revoked, "{now}");
        assert!(revoked.is_over());
    }
}

/// How far the locks have got, by the words of the design.
fn expected(over: bool, devices: &[S]) -> KeychainProvisioning {
    let all = |is: &[S]| devices.iter().all(|device| is.contains(device));
    let some_set = devices.contains(&S::Set);
    if over && all(&[S::Removed]) {
        KeychainProvisioning::Removed
    } else if over && all(&[S::Removed, S::Residual]) {
        KeychainProvisioning::Residual
    } else if over {
        KeychainProvisioning::Removing
    } else if some_set && all(&[S::Set]) {
        KeychainProvisioning::Provisioned
    } else if some_set {
        KeychainProvisioning::Partial
    } else {
        KeychainProvisioning::Pending
    }
}

#[test]
fn one_door_that_lacks_it_is_enough_and_one_that_has_not_forgotten_it_too() {
    let mut seen = std::collections::BTreeSet::new();
    let none: Vec<Vec<S>> = vec![Vec::new()];
    let one = S::ALL.iter().map(|&a| vec![a]);
    let two = S::ALL
        .iter()
        .flat_map(|&a| S::ALL.iter().map(move |&b| vec![a, b]));
    for devices in none.into_iter().chain(one).chain(two) {
        for over in [false, true] {
            let is = KeychainProvisioning::of(over, devices.iter().copied());
            assert_eq!(is, expected(over, &devices), "{over} {devices:?}");
            seen.insert(is);
        }
    }
    assert_eq!(seen.len(), KeychainProvisioning::ALL.len());
}
