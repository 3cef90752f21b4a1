/** A class or function that a pickle names. It is never looked up. */
export interface Global {
  module: string
  name: string
}

/** A dict, list, tuple, set, persistent reference, or what a call made: its arguments, then the state it was given. */
export interface Node {
  values: PickleValue[]
  /** Of a dict, one a value. */
  keys?: PickleValue[]
  /** What was called. */
  made?: Global
  persistent?: true
}

/** Anything but texts, numbers, names and containers is undefined. */
export type PickleValue = string | number | Global | Node | undefined

export function isNode(value: PickleValue): value is Node {
  return typeof value === 'object' && 'values' in value
}

export function isGlobal(value: PickleValue): value is Global {
  return typeof value === 'object' && 'module' in value
}
