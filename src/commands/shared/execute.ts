import type { GlobalOptions, Outcome, Session } from './session.ts'

/** Runs a command: gives it a session, shows its error, sets the exit code. */
export type Execute = (options: GlobalOptions, run: (session: Session) => Promise<Outcome>) => Promise<void>

/** For options that may be repeated. */
export const collect = (value: string, all: string[] | undefined = []): string[] => [...all, value]
