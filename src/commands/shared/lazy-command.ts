import { Command } from 'commander'
import type { GlobalOptions, Outcome, Session } from './session.ts'

/** Runs a command: creates its session, shows its error, sets the exit code. */
export type Execute = (options: GlobalOptions, run: (session: Session) => Promise<Outcome>) => Promise<void>

/** The function of a command. It gets the arguments, then the options, then its definition. */
type Run = (session: Session, ...given: never[]) => Promise<Outcome>

/** A command whose code is loaded when it runs, so that help and version start fast. */
export class LazyCommand extends Command {
  private readonly execute: Execute

  constructor(name: string | undefined, execute: Execute) {
    super(name)
    this.execute = execute
  }

  override createCommand(name?: string): LazyCommand {
    return new LazyCommand(name, this.execute)
  }

  /** `load` imports the function of the command. If there are several, the options decide which one. */
  runs<Options>(load: (options: Options) => Promise<Run>): this {
    return this.action(async (...given: unknown[]) => {
      const run = await load(this.opts<Record<string, unknown>>() as Options)
      await this.execute(this.optsWithGlobals(), async session => {
        const { refuseEmptyValues } = await import('./empty-values.ts')
        refuseEmptyValues(this)
        return run(session, ...(given as never[]))
      })
    })
  }
}
