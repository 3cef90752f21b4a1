import { Command } from 'commander'
import { AppError } from '../../util/errors.ts'
import { emptyValue, refuseEmptyValues } from './empty-values.ts'
import { otherToolsWord } from './other-tools-words.ts'
import type { GlobalOptions, Outcome, Session } from './session.ts'

/** Runs a command: creates its session, shows its error, sets the exit code. */
export type Execute = (options: GlobalOptions, run: (session: Session) => Promise<Outcome>) => Promise<void>

/** The function of a command. It gets the arguments, then the options, then its definition. */
type Run = (session: Session, ...given: never[]) => Promise<Outcome>

/** A command whose code is loaded when it runs, so that help and version start fast. */
export class LazyCommand extends Command {
  /** Commander's own, which its types leave out. */
  declare unknownCommand: () => never
  private readonly execute: Execute

  constructor(name: string | undefined, execute: Execute) {
    super(name)
    this.execute = execute
  }

  override createCommand(name?: string): LazyCommand {
    return new LazyCommand(name, this.execute)
  }

  /** Commander calls this for every usage error. It throws, so that these errors are shown like all others. */
  override error(message: string, options?: { code?: string }): never {
    const [given = ''] = this.args
    const hint = options?.code === 'commander.unknownCommand' ? otherToolsWord(given) : undefined
    if (hint !== undefined) throw new AppError('usage', `There is no command \`${given}\`.`, { hint })
    const empty = EMPTY_VALUE.exec(message)
    if (empty) throw emptyValue(empty[1] ?? `The ${empty[2]}`, false)
    const command = this.fullName()
    const text = message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')
    throw new AppError('usage', sentence(text), { hint: `Run \`${command} --help\` to see the usage.` })
  }

  /** The names of the command and those above it: `colab-escape auth login`. */
  private fullName(): string {
    return this.parent instanceof LazyCommand ? `${this.parent.fullName()} ${this.name()}` : this.name()
  }

  /** Throws `usage` if there is none of this name. */
  subcommand(name: string): LazyCommand {
    const found = this.commands.find(command => command.name() === name)
    if (found instanceof LazyCommand) return found
    this.args = [name]
    return this.unknownCommand()
  }

  /** `load` imports the function of the command. If there are several, the options decide which one. */
  runs<Options>(load: (options: Options) => Promise<Run>): this {
    return this.action(async (...given: unknown[]) => {
      const run = await load(this.opts<Record<string, unknown>>() as Options)
      await this.execute(this.optsWithGlobals(), async session => {
        refuseEmptyValues(this)
        return run(session, ...(given as never[]))
      })
    })
  }
}

/** A value that is none of the choices because it is empty. */
const EMPTY_VALUE =
  /^error: (?:option '.*?(--[\w-]+).*?' argument '' is invalid|command-argument value '' is invalid for argument '([\w-]+)')/

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?!)]$/.test(text) ? '' : '.'}`
