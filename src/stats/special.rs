//! Special functions: normal, incomplete gamma and beta, and a quadrature. All through `libm`.

/// Relative size of a term at which a series or continued fraction has converged.
const CONVERGED: f64 = 1e-16;
/// Bound on the terms of a series: reached by no argument that a distribution here can have.
const MAX_TERMS: u32 = 1_000_000;
/// Smallest divisor in Lentz's method, standing in for zero.
const TINY: f64 = 1e-300;

/// Φ(x), the distribution function of the standard normal.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// The density of the standard normal.
pub fn normal_density(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) * 0.398_942_280_401_432_7
}

fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// Φ⁻¹(p), the standard normal quantile: Wichura's algorithm AS 241 (PPND16), accurate to about
/// 1 part in 10¹⁶. Infinite at 0 and 1, NaN outside.
#[expect(clippy::excessive_precision, reason = "the coefficients as published")]
#[inline]
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 8] = [
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ];
    const B: [f64; 8] = [
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ];
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * polynomial(&A, r) / polynomial(&B, r);
    }
    normal_quantile_tail(p, q)
}

/// The tails of AS 241, away from the common path.
#[expect(clippy::excessive_precision, reason = "the coefficients as published")]
fn normal_quantile_tail(p: f64, q: f64) -> f64 {
    const C: [f64; 8] = [
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ];
    const E: [f64; 8] = [
        6.65790464350110377720e0,
        5.46378491116411436990e0,
        1.78482653991729133580e0,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ];
    const F: [f64; 8] = [
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ];
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail == 0.0 {
        return f64::INFINITY.copysign(q);
    }
    let r = (-libm::log(tail)).sqrt();
    let z = if r <= 5.0 {
        polynomial(&C, r - 1.6) / polynomial(&D, r - 1.6)
    } else {
        polynomial(&E, r - 5.0) / polynomial(&F, r - 5.0)
    };
    z.copysign(q)
}

/// Q(a, x), the upper regularised incomplete gamma function: the chance that a gamma variable of
/// shape `a` and scale 1 exceeds `x`. Series below a + 1, Lentz's continued fraction above
/// (Abramowitz and Stegun 6.5.29 and 6.5.31).
pub fn gamma_upper(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        for _ in 0..MAX_TERMS {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < sum * CONVERGED {
                break;
            }
        }
        return (1.0 - front * sum).max(0.0);
    }
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for i in 1..MAX_TERMS {
        let i = f64::from(i);
        let numerator = -i * (i - a);
        b += 2.0;
        d = 1.0 / away_from_zero(numerator * d + b);
        c = away_from_zero(b + numerator / c);
        let factor = d * c;
        fraction *= factor;
        if (factor - 1.0).abs() < 4.0 * f64::EPSILON {
            break;
        }
    }
    front * fraction
}

fn away_from_zero(x: f64) -> f64 {
    if x.abs() < TINY { TINY } else { x }
}

/// I_x(a, b), the regularised incomplete beta function, by Lentz's continued fraction
/// (Abramowitz and Stegun 26.5.8), on the side where it converges fast.
pub fn beta_regularised(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_regularised(b, a, 1.0 - x);
    }
    let log_front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b)
        + a * libm::log(x)
        + b * libm::log1p(-x);
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..MAX_TERMS {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        let factor = d * c;
        fraction *= factor;
        if (factor - 1.0).abs() < 4.0 * f64::EPSILON {
            break;
        }
    }
    libm::exp(log_front) * fraction / a
}

/// ∫ f over [low, high] by adaptive Gauss-Kronrod quadrature (7 and 15 points, QUADPACK's), on
/// panels that halve towards zero, so that a narrow mass in a wide range is not stepped over.
/// Needs 0 ≤ low ≤ high, both finite. Error about 10⁻¹¹ of ∫ |f| for the functions here.
pub fn integral(f: &dyn Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    const PANELS: usize = 80;
    let mut edges = vec![high];
    while edges.len() <= PANELS && edges[edges.len() - 1] > low {
        edges.push((edges[edges.len() - 1] / 2.0).max(low));
    }
    if edges[edges.len() - 1] > low {
        edges.push(low);
    }
    let panels: Vec<_> = edges.windows(2).map(|w| (w[1], w[0])).collect();
    let size: f64 = panels.iter().map(|(a, b)| gauss_kronrod(f, *a, *b).0.abs()).sum();
    // Absolute, of the whole: a panel that holds only rounding noise must not be refined.
    let tolerance = 1e-13 * size;
    panels.iter().map(|(a, b)| adaptive(f, *a, *b, tolerance, 30)).sum()
}

fn adaptive(f: &dyn Fn(f64) -> f64, low: f64, high: f64, tolerance: f64, depth: u32) -> f64 {
    let (fine, coarse) = gauss_kronrod(f, low, high);
    if depth == 0 || (fine - coarse).abs() <= tolerance {
        return fine;
    }
    let middle = 0.5 * (low + high);
    adaptive(f, low, middle, tolerance, depth - 1) + adaptive(f, middle, high, tolerance, depth - 1)
}

/// The 15-point Kronrod and the 7-point Gauss estimate.
fn gauss_kronrod(f: &dyn Fn(f64) -> f64, low: f64, high: f64) -> (f64, f64) {
    // Node, Kronrod weight, Gauss weight (0 where Gauss has no node).
    const NODES: [(f64, f64, f64); 7] = [
        (0.991_455_371_120_812_6, 0.022_935_322_010_529_224, 0.0),
        (0.949_107_912_342_758_5, 0.063_092_092_629_978_56, 0.129_484_966_168_869_7),
        (0.864_864_423_359_769_1, 0.104_790_010_322_250_19, 0.0),
        (0.741_531_185_599_394_5, 0.140_653_259_715_525_92, 0.279_705_391_489_276_64),
        (0.586_087_235_467_691_1, 0.169_004_726_639_267_9, 0.0),
        (0.405_845_151_377_397_2, 0.190_350_578_064_785_4, 0.381_830_050_505_118_9),
        (0.207_784_955_007_898_47, 0.204_432_940_075_298_9, 0.0),
    ];
    let (centre, half) = (0.5 * (low + high), 0.5 * (high - low));
    let middle = f(centre);
    let mut kronrod = middle * 0.209_482_141_084_727_82;
    let mut gauss = middle * 0.417_959_183_673_469_37;
    for (node, kronrod_weight, gauss_weight) in NODES {
        let pair = f(centre - half * node) + f(centre + half * node);
        kronrod += kronrod_weight * pair;
        gauss += gauss_weight * pair;
    }
    (kronrod * half, gauss * half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(found: f64, expected: f64, relative: f64) {
        assert!(
            (found - expected).abs() <= relative * expected.abs(),
            "found {found:e}, expected {expected:e}"
        );
    }

    #[test]
    fn normal_quantile_gives_the_values_of_as241_and_inverts_the_cdf() {
        // The three check values of Wichura (1988), one for each branch.
        close(normal_quantile(0.25), -0.674_489_750_196_081_7, 1e-15);
        close(normal_quantile(0.001), -3.090_232_306_167_814, 1e-15);
        close(normal_quantile(1e-20), -9.262_340_089_798_408, 1e-15);
        close(normal_quantile(0.975), 1.959_963_984_540_054, 1e-15);
        for i in 1..1000 {
            let p = f64::from(i) / 1000.0;
            close(normal_cdf(normal_quantile(p)), p, 1e-14);
        }
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
    }

    #[test]
    fn gamma_upper_reduces_to_exponential_erlang_and_erfc() {
        for x in [0.01, 0.5, 1.0, 1.9, 3.0, 20.0, 90.0] {
            close(gamma_upper(1.0, x), libm::exp(-x), 1e-12);
            close(gamma_upper(3.0, x), libm::exp(-x) * (1.0 + x + x * x / 2.0), 1e-12);
            close(gamma_upper(0.5, x), libm::erfc(x.sqrt()), 1e-12);
        }
        // A large shape is nearly normal and symmetric: Q(a, a) = 1/2 − 1/(3√(2πa)) + O(a^−3/2).
        let a = 1e6;
        let tail = 1.0 / (3.0 * (std::f64::consts::TAU * a).sqrt());
        close(gamma_upper(a, a), 0.5 - tail, 1e-7);
        assert_eq!(gamma_upper(2.0, 0.0), 1.0);
    }

    #[test]
    fn beta_reduces_to_powers_and_the_arcsine() {
        for x in [0.001, 0.2, 0.5, 0.77, 0.999] {
            close(beta_regularised(3.0, 1.0, x), x * x * x, 1e-13);
            close(beta_regularised(1.0, 4.0, x), 1.0 - libm::pow(1.0 - x, 4.0), 1e-12);
            let arcsine = 2.0 / std::f64::consts::PI * libm::asin(x.sqrt());
            close(beta_regularised(0.5, 0.5, x), arcsine, 1e-13);
        }
    }

    #[test]
    fn integral_is_exact_for_polynomials_and_finds_narrow_mass() {
        close(integral(&|x| libm::pow(x, 9.0), 0.0, 2.0), 102.4, 1e-13);
        close(integral(&|x| libm::exp(-x), 0.5, 3.0), libm::exp(-0.5) - libm::exp(-3.0), 1e-13);
        // All of the mass lies in the first billionth of the range.
        close(integral(&|x| libm::exp(-x), 0.0, 1e12), 1.0, 1e-10);
        // A step.
        close(integral(&|x| f64::from(u8::from(x < 0.3)), 0.0, 1.0), 0.3, 1e-8);
    }
}
