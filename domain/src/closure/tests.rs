use super::*;
use ClosureReason as Why;
use ClosureRisk as Risk;
use ClosureVerdict::{Closed, Open, Residual};
use DevicePinStatus as S;
use PinPushStatus as P;

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-12-{text}:00Z")
        .parse()
        .expect("a time in December")
}

const NOW: &str = "03T12:00";
const LATER: &str = "05T11:00";
const BEFORE: &str = "03T11:00";

/// A lock that can be reached and read, whose code would have run to the 5th.
fn door(status: DevicePinStatus) -> Door {
    Door {
        status,
        until: Some(at(LATER)),
        followed: false,
        installed: true,
        reachable: true,
        reads_back: true,
    }
}

fn ended(doors: &[Door], copy: Option<PinPushStatus>) -> Facts {
    Facts {
        over: true,
        doors: doors.to_vec(),
        copy: copy.map(|status| Copy {
            status,
            followed: false,
        }),
    }
}

fn told(facts: &Facts) -> (ClosureVerdict, Option<Why>, Option<DateTime<Utc>>) {
    let closure = judge(facts, at(NOW));
    (closure.verdict, closure.reason, closure.until)
}

#[test]
fn one_door_or_the_copy_keeps_access_open() {
    let gone = door(S::Removed);
    let until = |status, until| Door {
        until,
        ..door(status)
    };
    let residual = until(S::Residual, Some(at(LATER)));
    let longer = until(S::Residual, Some(at("06T11:00")));
    let ran_out = until(S::Residual, Some(at(BEFORE)));
    let endless = until(S::Residual, None);
    // The doors, the copy, the verdict, why it is open and until when it is residual.
    let closed = (Closed, None, None);
    let by_door = (Open, Some(Why::Door), None);
    let by_copy = (Open, Some(Why::PmsCopy), None);
    let ends = |text| (Residual, None, Some(at(text)));
    let past = until(S::Removing, Some(at(BEFORE)));
    let table = [
        (vec![], None, closed),
        (vec![gone], None, closed),
        (vec![gone, gone], Some(P::Removed), closed),
        (vec![gone, door(S::Waiting)], Some(P::Removed), by_door),
        (vec![door(S::Sent)], None, by_door),
        (vec![door(S::Set)], None, by_door),
        (vec![door(S::Blocked)], None, by_door),
        (vec![door(S::Removing)], None, by_door),
        (vec![past], None, by_door),
        (vec![gone], Some(P::Waiting), by_copy),
        (vec![gone], Some(P::Stored), by_copy),
        (vec![gone], Some(P::Refused), by_copy),
        (vec![gone], Some(P::Removing), by_copy),
        (vec![gone, residual], Some(P::Removed), ends(LATER)),
        (vec![longer, residual, gone], None, ends("06T11:00")),
        (vec![residual], Some(P::Stored), by_copy),
        (vec![residual, door(S::Removing)], None, by_door),
        (vec![ran_out], None, closed),
        (vec![endless], None, by_door),
    ];
    for (n, (doors, copy, expected)) in table.into_iter().enumerate() {
        assert_eq!(told(&ended(&doors, copy)), expected, "line {n}");
    }
}

#[test]
fn a_keychain_that_is_not_over_is_open_whatever_its_doors_say() {
    for doors in [&[][..], &[door(S::Removed)], &[door(S::Set)]] {
        let facts = Facts {
            over: false,
            ..ended(doors, Some(P::Removed))
        };
        assert_eq!(told(&facts), (Open, Some(Why::NotOver), None));
    }
}

#[test]
fn what_a_keychain_that_followed_uses_is_its_own() {
    let kept = |status| Door {
        followed: true,
        ..door(status)
    };
    let moved = Facts {
        copy: Some(Copy {
            status: P::Stored,
            followed: true,
        }),
        ..ended(&[door(S::Removed), kept(S::Set), kept(S::Waiting)], None)
    };
    assert_eq!(told(&moved), (Closed, None, None));
    assert_eq!(kept(S::Set).risk(true, at(NOW)), Some(Risk::Followed));
    assert_eq!(kept(S::Set).opens_until(at(NOW)), None);
    // The door the guest moved out of counts by itself.
    let old = ended(&[door(S::Removing), kept(S::Set)], None);
    assert_eq!(told(&old), (Open, Some(Why::Door), None));
    // What is to be forgotten is nobody's.
    assert_eq!(told(&ended(&[kept(S::Removing)], None)).0, Open);
}

#[test]
fn every_door_says_what_is_left_to_worry_about() {
    let away = |status| Door {
        reachable: false,
        ..door(status)
    };
    let over = |status| Door {
        until: Some(at(BEFORE)),
        ..door(status)
    };
    let blind = |status| Door {
        reads_back: false,
        ..door(status)
    };
    let taken_out = |status| Door {
        installed: false,
        ..door(status)
    };
    let later = Some(LATER);
    let table = [
        (door(S::Removed), None, None),
        (blind(S::Removed), Some(Risk::NotReadable), None),
        (taken_out(S::Removed), Some(Risk::TakenOut), None),
        (taken_out(S::Removing), Some(Risk::NotConfirmed), later),
        (door(S::Residual), Some(Risk::CannotForget), later),
        (over(S::Residual), None, None),
        (door(S::Removing), Some(Risk::NotConfirmed), later),
        (away(S::Removing), Some(Risk::NotReached), later),
        (over(S::Removing), Some(Risk::RunOut), Some(BEFORE)),
        (door(S::Set), Some(Risk::NotConfirmed), later),
        (door(S::Sent), Some(Risk::NotConfirmed), later),
        (away(S::Waiting), Some(Risk::NotReached), later),
        (door(S::Blocked), Some(Risk::NotConfirmed), later),
    ];
    for (n, (door, risk, until)) in table.into_iter().enumerate() {
        assert_eq!(door.risk(true, at(NOW)), risk, "line {n}");
        assert_eq!(door.opens_until(at(NOW)), until.map(at), "line {n}");
    }
    assert_eq!(door(S::Set).risk(false, at(NOW)), Some(Risk::NotOver));
    // A door it had before a move is to forget it, whether the keychain is over or not.
    assert_eq!(
        door(S::Removing).risk(false, at(NOW)),
        Some(Risk::NotConfirmed)
    );
}
