/** An option's name as diffusers spells it: `guidanceScale` is `guidance_scale`, `prompt2` is `prompt_2`. */
export function snakeCase(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replace(/(?<=[a-z]{2})[0-9]+$/, "_$&");
}

/** The option that a name in snake_case stands for; a name in camelCase stays as it is. */
export function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
