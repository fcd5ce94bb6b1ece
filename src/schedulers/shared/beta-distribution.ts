/**
 * The x below which the Beta(a, b) distribution has `probability` (0..1) of its mass, as `scipy.stats.beta.ppf`; exact to about 1e-14.
 * Safeguarded Newton steps on the regularised incomplete beta function I_x(a, b).
 */
export function betaQuantile(probability: number, a: number, b: number): number {
  if (probability <= 0) return 0;
  if (probability >= 1) return 1;
  // Near 1 the quantile loses digits. Its mirror image near 0 does not.
  if (probability > regularizedIncompleteBeta(0.5, a, b)) return 1 - betaQuantile(1 - probability, b, a);

  const scale = Math.exp(-logBeta(a, b));
  let [low, high] = [0, 0.5];
  let x = Math.min((probability * a) / scale, 1) ** (1 / a); // leading term of the series at 0
  if (!(x < high)) x = 0.25;
  for (let i = 0; i < 200; i++) {
    const error = regularizedIncompleteBeta(x, a, b) - probability;
    if (error > 0) high = x;
    else low = x;
    const newton = x - error / (scale * x ** (a - 1) * (1 - x) ** (b - 1));
    const next = newton > low && newton < high ? newton : (low + high) / 2;
    if (Math.abs(next - x) <= 1e-16 * x) return next;
    x = next;
  }
  return x;
}

/** I_x(a, b): its continued fraction (DLMF 8.17.22), evaluated by Lentz's method. */
function regularizedIncompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - regularizedIncompleteBeta(1 - x, b, a);
  let numerator = 1;
  let denominator = 1 / (1 - ((a + b) * x) / (a + 1));
  let fraction = denominator;
  for (let m = 1; m < 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    denominator = 1 / (1 + even * denominator);
    numerator = 1 + even / numerator;
    fraction *= numerator * denominator;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    denominator = 1 / (1 + odd * denominator);
    numerator = 1 + odd / numerator;
    const change = numerator * denominator;
    fraction *= change;
    if (Math.abs(change - 1) < 1e-16) break;
  }
  return (Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b)) / a) * fraction;
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** log Γ(x) for x > 0: Stirling's series after moving x past 15. */
function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  while (z < 15) shift += Math.log(z++);
  const inverse = 1 / (z * z);
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse * (1 / 1188))))) / z;
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
}
