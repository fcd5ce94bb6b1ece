/** The seed of the small files' numbers in the cases that Python diffusers made of them. */
export const ORACLE_SEED = 1;
