import type { Call, CallKind } from './call.ts'

/**
 * What goes wrong, instead of the call being done unless said otherwise:
 * - `{status, reason}`: an error answer; with `afterCommit` the call is done all the same;
 * - `reset-before`, `reset-after-commit`: the connection breaks, the call undone or done;
 * - `cut-body`: done, but the connection breaks in the middle of the answer;
 * - `wrong-bytes`: one bit turns in the content that is downloaded or stored;
 * - `garbled-answer`: done, but one bit turns in the middle of the answer, whatever it is;
 * - `stall`: no answer until the client or the server closes; `stall-in-body`: done, but half the answer never comes;
 * - `html-error`: 502 with a page instead of JSON;
 * - `{acceptOnlyBytes}`: of an upload piece so many bytes arrive, rounded down to 256 KiB.
 */
export type FaultAction =
  | { status: number; reason: string; message?: string; retryAfter?: number | string; afterCommit?: boolean }
  | 'reset-before'
  | 'reset-after-commit'
  | 'cut-body'
  | 'wrong-bytes'
  | 'garbled-answer'
  | 'stall'
  | 'stall-in-body'
  | 'html-error'
  | { acceptOnlyBytes: number }

export interface FaultRule {
  /** Counts calls of this kind only; of any kind when absent. */
  on?: CallKind
  /** The first call to fail, counted from 1 since the rule was added. */
  nth: number
  /** How many calls in a row fail; 1 unless told, Infinity for all from there on. */
  times?: number
  do: FaultAction
}

const CONTENT_CALLS: readonly (CallKind | undefined)[] = ['media.get', 'upload.media', 'upload.multipart', 'upload.piece']

export class Faults {
  private rules: { rule: FaultRule; seen: number }[] = []

  /**
   * Throws on a rule that could never mean anything: turned bits in a call without content, part of a piece that is
   * none.
   */
  add(rule: FaultRule): void {
    if (!Number.isInteger(rule.nth) || rule.nth < 1) throw new Error('A fault needs nth >= 1.')
    if (rule.do === 'wrong-bytes' && !CONTENT_CALLS.includes(rule.on)) throw new Error('wrong-bytes needs a call that carries content.')
    if (typeof rule.do === 'object' && 'acceptOnlyBytes' in rule.do && rule.on !== 'upload.piece')
      throw new Error('acceptOnlyBytes is for upload.piece.')
    this.rules.push({ rule, seen: 0 })
  }

  clear(): void {
    this.rules = []
  }

  /** Counts the call and tells what befalls it; of several rules that meet the first wins. */
  next(call: Pick<Call, 'kind'>): FaultAction | undefined {
    let action: FaultAction | undefined
    for (const entry of this.rules) {
      const { on, nth, times = 1 } = entry.rule
      if (on !== undefined && on !== call.kind) continue
      entry.seen++
      if (entry.seen >= nth && entry.seen < nth + times) action ??= entry.rule.do
    }
    return action
  }
}
