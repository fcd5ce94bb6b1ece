/** What a denoising network predicts: the noise, the velocity (Salimans & Ho 2022, arXiv:2202.00512) or the picture. */
export const PREDICTION_TYPES = ["epsilon", "v_prediction", "sample"] as const;
/** One of PREDICTION_TYPES, as a scheduler's `predictionType`. */
export type PredictionType = (typeof PREDICTION_TYPES)[number];
/** What any denoising network predicts. Schedulers for flows have no choice, so flows are not among PREDICTION_TYPES. */
export type NetworkPrediction = PredictionType | "flow_prediction";
