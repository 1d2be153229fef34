/** JSON that keeps arrays of bytes and words what they are: for saved states on their way to a browser. */
const types = { Uint8Array, Uint16Array } as const;
type Tagged = { readonly type: keyof typeof types; readonly values: number[] };

export function toTypedJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part instanceof Uint8Array || part instanceof Uint16Array
      ? { type: part.constructor.name, values: [...part] }
      : part,
  );
}

export function fromTypedJson(text: string): unknown {
  return JSON.parse(text, (_key, part: Tagged | null) =>
    part !== null && typeof part === 'object' && part.type in types
      ? types[part.type].from(part.values)
      : part,
  );
}
