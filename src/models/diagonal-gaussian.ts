import { type Generator, randnPerImage } from "../tensor/random.js";
import { concat, type Tensor } from "../tensor/tensor.js";

/** A normal distribution over latents [batch, latent_channels, height, width] with a diagonal covariance. */
export class DiagonalGaussianDistribution {
  constructor(
    /** The likeliest latents. */
    readonly mean: Tensor,
    /** Logarithm of the variance, within -30..20. */
    readonly logvar: Tensor,
  ) {}

  /** Of the mean, then the logarithm of the variance, along the channels. @internal */
  static ofMoments(moments: Tensor): DiagonalGaussianDistribution {
    const [mean, logvar] = halves(moments);
    return new DiagonalGaussianDistribution(mean, logvar.clamp(-30, 20));
  }

  /** Draws latents. With a list of generators, each picture has its own. */
  sample(generator: Generator | readonly Generator[]): Tensor {
    const standardDeviation = this.logvar.map((value) => Math.exp(0.5 * value));
    return this.mean.add(standardDeviation.mul(randnPerImage(this.mean.shape, generator)));
  }

  /** The likeliest latents. */
  mode(): Tensor {
    return this.mean;
  }
}

/** The first and the second half of the channels of [batch, channels, height, width]. */
function halves(moments: Tensor): [Tensor, Tensor] {
  const [batch = 0, channels = 0, ...sides] = moments.shape;
  const parts = moments.reshape([batch * 2, channels / 2, ...sides]);
  const every = (offset: number) => concat(Array.from({ length: batch }, (_, i) => parts.slice(2 * i + offset, 2 * i + offset + 1)));
  return [every(0), every(1)];
}
