//! What staff are told when no PIN suits.

use super::*;

fn refusal(wish: &Wish, others: impl Others) -> Unavailable {
    allocate(wish, others, &mut rng()).unwrap_err()
}

#[test]
fn doors_that_share_no_length_or_digits_are_named_in_order() {
    let lengths = refusal(
        &wish(&[&[lengths(&[6, 8])], &[], &[lengths(&[4])]]),
        |_: &str| Use::Free,
    );
    assert_eq!(lengths.to_string(), "Space 2 LENGTHS 4");
    assert_eq!(
        serde_json::to_value(&lengths).unwrap(),
        serde_json::json!({
            "reason": "NO_COMMON_LENGTH",
            "emptiedBy": {"space": "Space 2", "rule": "LENGTHS 4"},
            "doors": ["Space 0", "Space 1", "Space 2"],
            "suggestion":
                "Unlink Space 2, or install a lock there that takes PINs of 6 or 8 digits",
        })
    );
    let digits = [
        DeviceRule::Digits("1234".into()),
        DeviceRule::Digits("56".into()),
    ];
    let digits = refusal(&wish(&[&digits]), |_: &str| Use::Free);
    assert_eq!(digits.reason, PinUnavailableReason::NoCommonDigits);
    assert_eq!(digits.to_string(), "Space 0 DIGITS 56");
    assert_eq!(
        digits.suggestion,
        "Install a lock in Space 0 that takes the digits 1234"
    );
    let again: Unavailable =
        serde_json::from_str(&serde_json::to_string(&digits).unwrap()).unwrap();
    assert_eq!(again, digits);
}

#[test]
fn the_rule_that_left_nothing_is_named_and_each_is_told_what_it_took() {
    let mut wish = wish(&[
        &[lengths(&[4]), DeviceRule::Digits("137".into())],
        &[
            DeviceRule::NoRepeat(3),
            DeviceRule::MinDistinct(3),
            DeviceRule::NotStarting(vec!["1".into(), "3".into(), "7".into()]),
        ],
    ]);
    wish.length = 4;
    let why = refusal(&wish, |_: &str| Use::Free);
    assert_eq!(why.reason, PinUnavailableReason::Exhausted);
    assert_eq!(why.to_string(), "Space 1 NOT_STARTING 1, 3, 7");
    assert_eq!(
        why.suggestion,
        "Unlink Space 1, or install a lock there that takes more PINs"
    );
    let removed = |space: &str, rule: &str, codes| Removed {
        by: Limit {
            space: Some(space.into()),
            rule: rule.into(),
        },
        codes,
    };
    // 81 codes of three digits: 15 with three equal ones running, 30 more of two digits only, and
    // the rest.
    let expected = Count {
        length: 4,
        of: 10_000,
        exact: true,
        removed: vec![
            removed("Space 0", "DIGITS 137", 10_000 - 81),
            removed("Space 1", "NO_REPEAT 3", 15),
            removed("Space 1", "MIN_DISTINCT 3", 30),
            removed("Space 1", "NOT_STARTING 1, 3, 7", 36),
        ],
    };
    assert_eq!(*why.counts, [expected]);
}

#[test]
fn when_all_codes_are_taken_every_length_was_tried() {
    let why = refusal(&wish(&[]), |_: &str| Use::Taken);
    assert_eq!(
        why.to_string(),
        "all codes of 4, 5, 6, 7, 8 or 9 digits that the locks allow are taken"
    );
    assert_eq!(why.emptied_by.rule, "TAKEN");
    let lengths: Vec<(u8, bool)> = why.counts.iter().map(|c| (c.length, c.exact)).collect();
    let drawn = [6, 7, 8, 9].map(|length| (length, false));
    let counted = [5, 4].map(|length| (length, true));
    assert_eq!(lengths, [&drawn[..], &counted[..]].concat());
    for count in &why.counts {
        let sum: u64 = count.removed.iter().map(|removed| removed.codes).sum();
        assert_eq!(sum, count.of, "{count:?}");
    }
    let guessable = stranger::refused(4).len() as u64;
    let exact = &why.counts[5];
    let told: Vec<_> = exact
        .removed
        .iter()
        .map(|r| (r.by.space.as_deref(), r.by.rule.as_str(), r.codes))
        .collect();
    assert_eq!(
        told,
        [
            (None, "GUESSABLE", guessable),
            (None, "TAKEN", 10_000 - guessable)
        ]
    );
}

#[test]
fn a_lock_of_short_codes_is_what_to_change_when_they_are_taken() {
    let mut wish = wish(&[&[], &[lengths(&[4])]]);
    let suggestion = |wish: &Wish| refusal(wish, |_: &str| Use::Taken).suggestion;
    assert_eq!(
        suggestion(&wish),
        "Unlink Space 1, or install a lock there that takes longer PINs"
    );
    wish.locks[1].role = KeychainDoorRole::Parent;
    assert_eq!(
        suggestion(&wish),
        "Install a lock in Space 1 that takes longer PINs"
    );
}

#[test]
fn when_a_length_is_used_up_the_next_longer_is_tried_and_then_the_shorter() {
    let mut wish = wish(&[&[lengths(&[4, 5, 7, 8])]]);
    wish.length = 5;
    let length = |gone: &[usize]| {
        let taken = |code: &str| {
            if gone.contains(&code.len()) {
                Use::Taken
            } else {
                Use::Past { days: 2 }
            }
        };
        allocate(&wish, taken, &mut rng()).unwrap().proof.length
    };
    // A shorter rest is better than another length.
    assert_eq!(length(&[]), 5);
    assert_eq!(length(&[5]), 7);
    assert_eq!(length(&[5, 7]), 8);
    assert_eq!(length(&[5, 7, 8]), 4);
}

/// Beginnings that others have on one lock.
struct Beginnings(DeviceId, Vec<String>);

impl Others for Beginnings {
    fn code(&mut self, _code: &str) -> Use {
        Use::Free
    }

    fn begins(&mut self, device: DeviceId, beginning: &str) -> bool {
        device == self.0 && self.1.iter().any(|held| held == beginning)
    }
}

#[test]
fn a_beginning_is_used_once_on_a_lock_that_looks_at_it() {
    let mut wish = wish(&[
        &[DeviceRule::UniquePrefix(1)],
        &[DeviceRule::UniquePrefix(2)],
    ]);
    let gate = wish.locks[1].device;
    let all = |but: &str| -> Vec<String> {
        let all = (0..100).map(|n| format!("{n:02}"));
        all.filter(|beginning| beginning != but).collect()
    };
    let pin = allocate(&wish, Beginnings(gate, all("37")), &mut rng()).unwrap();
    assert!(pin.code.starts_with("37"), "{}", pin.code);
    assert!(
        pin.proof
            .rules
            .contains(&"UNIQUE_PREFIX 2 @Space 1".to_owned())
    );

    let why = refusal(&wish, Beginnings(gate, all("")));
    assert_eq!(why.to_string(), "Space 1 UNIQUE_PREFIX 2");
    wish.current = Some("371824".into());
    let kept = allocate(&wish, Beginnings(gate, all("37")), &mut rng()).unwrap();
    assert_eq!(kept.code, "371824");
    let moved = allocate(&wish, Beginnings(gate, all("38")), &mut rng()).unwrap();
    assert!(moved.code.starts_with("38"), "{}", moved.code);
}
