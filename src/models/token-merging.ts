/** The largest share of tokens that can be merged: all but one of four. */
export const MOST_MERGED = 0.75;
