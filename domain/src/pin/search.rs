//! Looks for a code that every door takes and that is free.

use super::guessable::Guessable;
use super::unavailable::{Count, Limit, Removed};
use super::{Allocated, Others, Proof, Use, Wish, rules};
use crate::DeviceRule;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// Draws before the search becomes exhaustive.
const DRAWS: u32 = 64;
/// Draws for lengths whose codes are too many to try one by one.
const MORE_DRAWS: u32 = 4096;
/// Longest length whose codes are tried one by one.
const TRY_ALL: u8 = 5;
/// Cool-downs to fall back to, in days, when the wanted one leaves nothing.
const SHORTER_COOLDOWNS: [i32; 3] = [7, 1, 0];

/// What refuses a code, in the order in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// A rule about the digits alone: the lock, the rule.
    Rule(usize, usize),
    Guessable,
    Current,
    /// Another code on the lock begins so.
    Beginning(usize, usize),
    Taken,
}

pub(super) struct Search<'a, O> {
    wish: &'a Wish,
    digits: &'a [u8],
    guessable: Guessable,
    others: &'a mut O,
    /// What the proof tells.
    listed: Vec<String>,
    taken: u32,
    draws: u32,
    /// Where the codes of each length went that was searched in vain.
    pub(super) counts: Vec<Count>,
}

/// The best among the codes that have not rested as long as wanted.
#[derive(Default)]
struct Rested(Option<(i32, String)>);

impl Rested {
    fn offer(&mut self, cooldown: Option<i32>, code: &str) {
        let Some(days) = cooldown else {
            return;
        };
        // The first of equals: later ones are not better, and chance chose the order.
        if self.0.as_ref().is_none_or(|(best, _)| days > *best) {
            self.0 = Some((days, code.to_owned()));
        }
    }
}

impl<'a, O: Others> Search<'a, O> {
    pub(super) fn new(wish: &'a Wish, digits: &'a [u8], others: &'a mut O) -> Self {
        Self {
            wish,
            digits,
            guessable: Guessable::new(wish),
            others,
            listed: rules::listed(&wish.locks),
            taken: 0,
            draws: 0,
            counts: Vec::new(),
        }
    }

    fn found(&self, code: String, cooldown_days: i32) -> Allocated {
        Allocated {
            proof: Proof {
                length: u8::try_from(code.len()).unwrap_or(u8::MAX),
                rules: self.listed.clone(),
                taken: self.taken,
                draws: self.draws,
                cooldown_days,
            },
            code,
        }
    }

    /// The code a person asked for, or what refuses it.
    pub(super) fn asked(&mut self, code: &str) -> Result<Allocated, Limit> {
        rules::shape(code)?;
        match self.ask(code) {
            Ok(days) => {
                let wanted = self.wish.cooldown_days;
                let cooldown = days.map_or(wanted, |days| days.min(wanted));
                Ok(self.found(code.to_owned(), cooldown))
            }
            Err(cause) => Err(self.limit(cause)),
        }
    }

    /// The code the keychain has, if it may stay.
    pub(super) fn kept(&mut self) -> Option<Allocated> {
        let current = self.wish.current.as_deref()?;
        let stays = !self.wish.avoid_current
            && self.rule_against(current).is_none()
            && self.beginning_of_others(current).is_none()
            && self.others.code(current) != Use::Taken;
        stays.then(|| self.found(current.to_owned(), 0))
    }

    /// One by chance; when none is left, what became of all is counted.
    pub(super) fn draw(&mut self, length: u8, rng: &mut impl Rng) -> Option<Allocated> {
        let exhaustive = length <= TRY_ALL;
        let draws = DRAWS + if exhaustive { 0 } else { MORE_DRAWS };
        let mut rested = Rested::default();
        let mut refused = Vec::new();
        for _ in 0..draws {
            let code: String = (0..length)
                .map(|_| char::from(self.digits[rng.random_range(0..self.digits.len())]))
                .collect();
            self.draws += 1;
            match self.ask(&code) {
                Ok(days) if self.has_rested(days) => {
                    return Some(self.found(code, self.wish.cooldown_days));
                }
                Ok(days) => rested.offer(self.shorter(days), &code),
                Err(cause) => refused.push(cause),
            }
        }
        if exhaustive {
            return self.all(length, rng);
        }
        if let Some((cooldown, code)) = rested.0 {
            return Some(self.found(code, cooldown));
        }
        self.count(length, false, refused);
        None
    }

    /// Few codes are left, if any: all are tried, in an order of chance, so that the one taken cannot
    /// be told from outside.
    fn all(&mut self, length: u8, rng: &mut impl Rng) -> Option<Allocated> {
        let mut refused = Vec::new();
        let mut left = Vec::new();
        for n in 0..10_u32.pow(length.into()) {
            let code = format!("{n:0width$}", width = length.into());
            match self.refused_unasked(&code) {
                Some(cause) => refused.push(cause),
                None => left.push(code),
            }
        }
        left.shuffle(rng);
        let mut rested = Rested::default();
        for code in left {
            self.draws += 1;
            match self.held(&code) {
                Ok(days) if self.has_rested(days) => {
                    return Some(self.found(code, self.wish.cooldown_days));
                }
                Ok(days) => rested.offer(self.shorter(days), &code),
                Err(cause) => refused.push(cause),
            }
        }
        if let Some((cooldown, code)) = rested.0 {
            return Some(self.found(code, cooldown));
        }
        self.count(length, true, refused);
        None
    }

    /// Days for which a code was nobody's, none: for longer than anyone looked. Or what refuses it.
    fn ask(&mut self, code: &str) -> Result<Option<i32>, Cause> {
        match self.refused_unasked(code) {
            Some(cause) => Err(cause),
            None => self.held(code),
        }
    }

    /// What refuses a code whoever holds it.
    fn refused_unasked(&self, code: &str) -> Option<Cause> {
        if let Some(cause) = self.rule_against(code) {
            return Some(cause);
        }
        if self.guessable.is_guessable(code) {
            return Some(Cause::Guessable);
        }
        let avoided = self.wish.avoid_current && self.wish.current.as_deref() == Some(code);
        avoided.then_some(Cause::Current)
    }

    fn rule_against(&self, code: &str) -> Option<Cause> {
        for (at, lock) in self.wish.locks.iter().enumerate() {
            for (n, rule) in lock.rules.iter().enumerate() {
                if !rules::obeys(code, rule) {
                    return Some(Cause::Rule(at, n));
                }
            }
        }
        None
    }

    fn held(&mut self, code: &str) -> Result<Option<i32>, Cause> {
        if let Some(cause) = self.beginning_of_others(code) {
            return Err(cause);
        }
        match self.others.code(code) {
            Use::Free => Ok(None),
            Use::Past { days } => Ok(Some(days)),
            Use::Taken => {
                self.taken += 1;
                Err(Cause::Taken)
            }
        }
    }

    fn beginning_of_others(&mut self, code: &str) -> Option<Cause> {
        for (at, lock) in self.wish.locks.iter().enumerate() {
            for (n, rule) in lock.rules.iter().enumerate() {
                if let DeviceRule::UniquePrefix(digits) = rule {
                    let beginning = code.get(..usize::from(*digits)).unwrap_or(code);
                    if self.others.begins(lock.device, beginning) {
                        return Some(Cause::Beginning(at, n));
                    }
                }
            }
        }
        None
    }

    fn has_rested(&self, days: Option<i32>) -> bool {
        days.is_none_or(|days| days >= self.wish.cooldown_days)
    }

    /// The longest of the shorter cool-downs that a code has rested for.
    fn shorter(&self, days: Option<i32>) -> Option<i32> {
        SHORTER_COOLDOWNS.into_iter().find(|&cooldown| {
            cooldown < self.wish.cooldown_days && days.is_none_or(|days| days >= cooldown)
        })
    }

    fn limit(&self, cause: Cause) -> Limit {
        match cause {
            Cause::Rule(lock, rule) | Cause::Beginning(lock, rule) => {
                let lock = &self.wish.locks[lock];
                Limit::at(lock, &lock.rules[rule])
            }
            Cause::Guessable => Limit::of_the_house("GUESSABLE"),
            Cause::Current => Limit::of_the_house("CURRENT"),
            Cause::Taken => Limit::of_the_house("TAKEN"),
        }
    }

    fn count(&mut self, length: u8, exact: bool, mut refused: Vec<Cause>) {
        refused.sort_unstable();
        let mut removed: Vec<Removed> = Vec::new();
        for group in refused.chunk_by(PartialEq::eq) {
            let by = self.limit(group[0]);
            let codes = group.len() as u64;
            match removed.iter_mut().find(|removed| removed.by == by) {
                // Two locks behind one door that say the same.
                Some(removed) => removed.codes += codes,
                None => removed.push(Removed { by, codes }),
            }
        }
        self.counts.push(Count {
            length,
            of: refused.len() as u64,
            exact,
            removed,
        });
    }
}
