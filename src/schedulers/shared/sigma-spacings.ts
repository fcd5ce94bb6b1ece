/** The fields that space noise levels in other ways than evenly. A config has at most one of them. */
export const SIGMA_SPACINGS = ["useKarrasSigmas", "useExponentialSigmas", "useBetaSigmas"] as const;
