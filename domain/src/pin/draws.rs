//! Draws many PINs: none is guessable or against a rule, and all others are equally likely. A share
//! runs with the other tests; `PORTAL_DRAWS` says how many are drawn under each of six sets of rules.

#![expect(clippy::cast_precision_loss, reason = "the counts are far below 2^52")]

use super::tests::{stranger, wish};
use super::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, HashSet};

/// Beneath this chance a result is taken for a fault, all comparisons of a run together.
const DOUBT: f64 = 0.001;

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}

/// Rules that leave an uneven choice of digits.
fn awkward() -> Vec<DeviceRule> {
    vec![
        DeviceRule::Digits("123456789".into()),
        DeviceRule::NoRun(3),
        DeviceRule::NotStarting(vec!["12".into(), "7".into()]),
    ]
}

/// The same, said anew.
fn is_awkward(code: &str) -> bool {
    let digits: Vec<i32> = code.bytes().map(i32::from).collect();
    let run = |step: i32| {
        digits
            .windows(3)
            .any(|w| w[1] - w[0] == step && w[2] - w[1] == step)
    };
    !code.contains('0') && !code.starts_with("12") && !code.starts_with('7') && !run(1) && !run(-1)
}

/// All codes that may be drawn.
fn allowed(length: usize, rules: bool) -> HashSet<String> {
    let refused = stranger::refused(length);
    (0..10_u32.pow(u32::try_from(length).unwrap()))
        .map(|n| format!("{n:0length$}"))
        .filter(|code| !refused.contains(code) && (!rules || is_awkward(code)))
        .collect()
}

/// Chance of a sum of squares as great as this one, if every code is equally likely.
fn compare(
    drawn: &BTreeMap<String, u64>,
    allowed: &HashSet<String>,
    part: impl Fn(&str) -> &str,
) -> f64 {
    let mut expected: BTreeMap<&str, f64> = BTreeMap::new();
    for code in allowed {
        *expected.entry(part(code)).or_default() += 1.0;
    }
    let mut found: BTreeMap<&str, f64> = BTreeMap::new();
    let mut all = 0.0;
    for (code, &times) in drawn {
        *found.entry(part(code)).or_default() += times as f64;
        all += times as f64;
    }
    let each = all / allowed.len() as f64;
    let squares: f64 = expected
        .iter()
        .map(|(part, codes)| {
            let expected = codes * each;
            let found = found.get(part).copied().unwrap_or(0.0);
            (found - expected).powi(2) / expected
        })
        .sum();
    beyond(squares, expected.len() as f64 - 1.0)
}

/// Chance that chi-square with so many degrees of freedom is `x` or more: the regularised upper
/// incomplete gamma function of `freedom / 2` at `x / 2`, by series below the bend and by continued
/// fraction above.
fn beyond(squares: f64, freedom: f64) -> f64 {
    let (a, x) = (freedom / 2.0, squares / 2.0);
    if x <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut over) = (1.0 / a, 1.0 / a, a);
        while term > sum * f64::EPSILON {
            over += 1.0;
            term *= x / over;
            sum += term;
        }
        return 1.0 - front * sum;
    }
    let mut base = x + 1.0 - a;
    let (mut above, mut below) = (1.0 / f64::MIN_POSITIVE, 1.0 / base);
    let mut fraction = below;
    for n in 1..100_000 {
        let n = f64::from(n);
        let step = n * (a - n);
        base += 2.0;
        below = 1.0 / (step * below + base);
        above = base + step / above;
        fraction *= above * below;
        if (above * below - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    front * fraction
}

/// Stirling's series, where it is exact to the last digits.
fn ln_gamma(a: f64) -> f64 {
    if a < 15.0 {
        return ln_gamma(a + 1.0) - a.ln();
    }
    let tau = std::f64::consts::TAU;
    (a - 0.5) * a.ln() - a + 0.5 * tau.ln() + 1.0 / (12.0 * a) - 1.0 / (360.0 * a.powi(3))
        + 1.0 / (1260.0 * a.powi(5))
}

#[test]
fn the_chance_of_chi_square_is_that_of_the_tables() {
    for (freedom, x, chance) in [
        (1.0, 3.841_458_8, 0.05),
        (2.0, 2.0, (-1.0_f64).exp()),
        (9.0, 14.683_656_6, 0.1),
        (9.0, 27.877_164_9, 0.001),
        (9.0, 2.087_900_7, 0.99),
        (99.0, 123.225_221_5, 0.05),
        (99.0, 148.230_359_2, 0.001),
    ] {
        let found = beyond(x, freedom);
        assert!(
            (found / chance - 1.0).abs() < 1e-5,
            "{freedom} {x}: {found}"
        );
    }
}

#[test]
fn every_allowed_pin_is_equally_likely_and_no_other_is_ever_drawn() {
    let draws = number("PORTAL_DRAWS", 5_000);
    let seed = number("PORTAL_SEED", 2026);
    let mut rng = StdRng::seed_from_u64(seed);
    println!("draws: seed {seed}");
    let mut chances = Vec::new();
    for (rules, length) in [false, true]
        .into_iter()
        .flat_map(|r| [4, 5, 6].map(|n| (r, n)))
    {
        let allowed = allowed(length, rules);
        let locks = if rules { awkward() } else { Vec::new() };
        let mut wish = wish(&[&locks]);
        wish.length = u8::try_from(length).unwrap();
        let mut drawn: BTreeMap<String, u64> = BTreeMap::new();
        for _ in 0..draws {
            let pin = allocate(&wish, |_: &str| Use::Free, &mut rng).unwrap();
            *drawn.entry(pin.code).or_default() += 1;
        }
        let strays: Vec<&String> = drawn
            .keys()
            .filter(|code| !allowed.contains(*code))
            .collect();
        assert!(strays.is_empty(), "seed {seed}: {strays:?}");

        let mut of_these = Vec::new();
        for at in 0..length {
            of_these.push(compare(&drawn, &allowed, |code| &code[at..=at]));
        }
        let pair = compare(&drawn, &allowed, |code| &code[..2]);
        of_these.push(pair);
        // Each code by itself, where it is drawn often enough to be counted.
        let whole =
            (draws / allowed.len() as u64 >= 5).then(|| compare(&drawn, &allowed, |code| code));
        of_these.extend(whole);
        println!(
            "draws: {draws} of {length} digits{}, {} codes allowed, {} never drawn, 0 refused ones \
             drawn; p by position {:.3?}, first two {pair:.3}, whole code {}",
            if rules { " under awkward rules" } else { "" },
            allowed.len(),
            allowed.len() - drawn.len(),
            &of_these[..length],
            whole.map_or_else(|| "too few".to_owned(), |p| format!("{p:.3}")),
        );
        chances.extend(of_these);
    }
    let least = chances.iter().copied().fold(1.0, f64::min);
    println!(
        "draws: {} drawn, {} comparisons, least p {least:.4}",
        6 * draws,
        chances.len()
    );
    // Of so many comparisons one is rare by chance alone.
    assert!(
        least * chances.len() as f64 > DOUBT,
        "seed {seed}: {chances:?}"
    );
}
