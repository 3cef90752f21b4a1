import { Command, type HelpContext } from 'commander'
import { AppError } from '../../util/errors.ts'
import { emptyValue, refuseEmptyValues } from './empty-values.ts'
import { helpText, ownOptions, sentence } from './help-text.ts'
import { otherToolsOption, otherToolsWord } from './other-tools-words.ts'
import type { GlobalOptions, Outcome, Session } from './session.ts'

/** Runs a command: creates its session, shows its error, sets the exit code. */
export type Execute = (options: GlobalOptions, run: (session: Session) => Promise<Outcome>) => Promise<void>

/** The function of a command. It gets the arguments, then the options, then its definition. */
type Run = (session: Session, ...given: never[]) => Promise<Outcome>

/** Columns of help where there is no terminal, or one without a size. */
const HELP_COLUMNS = 80

/** A command whose code is loaded when it runs, so that help and version start fast. */
export class LazyCommand extends Command {
  /** Commander's own, which its types leave out. */
  declare unknownCommand: () => never
  declare rawArgs: string[]
  /** What its help says after the options. */
  remarks = ''
  /** Indented lines. */
  examples = ''
  private readonly execute: Execute

  constructor(name: string | undefined, execute: Execute) {
    super(name)
    this.execute = execute
  }

  override createCommand(name?: string): LazyCommand {
    return new LazyCommand(name, this.execute)
  }

  /** Takes the remarks and, under the heading `Examples:`, the examples. The help shows the examples first. */
  override addHelpText(_position: unknown, given: unknown): this {
    const text = String(given)
    const [remarks = '', examples = ''] = text.split(/\n?Examples?:\n/)
    this.remarks = remarks.trim()
    this.examples = examples.trimEnd()
    return this
  }

  override helpInformation(): string {
    const help = this.createHelp()
    const takesVersion = this.registeredArguments.some(argument => /^(version|before|after)/.test(argument.name()))
    return helpText(
      {
        description: this.description(),
        usage: help.commandUsage(this),
        commands: this.commands.map(command => [command.name(), sentence(command.description())] as const),
        options: ownOptions(help, this),
        examples: this.examples,
        remarks: this.remarks,
        pointers: [
          ...(takesVersion ? ['How to name a version: colab-escape help versions'] : []),
          'Options of every command, such as --store and --json: colab-escape help options',
        ],
      },
      this.helpColumns(),
    )
  }

  helpColumns(): number {
    const columns = this.configureOutput().getOutHelpWidth?.() ?? 0
    return columns > 0 ? columns : HELP_COLUMNS
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
    const [, option] = options?.code === 'commander.unknownOption' ? (/'(-.*?)'/.exec(message) ?? []) : []
    const meant = option === undefined ? undefined : otherToolsOption(option, this.knownFlags())
    if (meant !== undefined) throw new AppError('usage', `There is no option ${option}.`, { hint: meant })
    throw new AppError('usage', inWords(text, this.name()), { hint: `Run \`${command} --help\` to see the usage.` })
  }

  /** Commander calls this also where a subcommand is missing. With options, the command was meant to do something. */
  override help(context?: HelpContext | ((text: string) => string)): never {
    const isUnasked = typeof context === 'object' && context.error
    if (
      isUnasked &&
      this.root()
        .rawArgs.slice(2)
        .some(word => word.startsWith('-'))
    )
      throw new AppError('usage', 'No command is given.', { hint: `Run \`${this.fullName()} --help\` to see the commands.` })
    return super.help()
  }

  private root(): LazyCommand {
    return this.parent instanceof LazyCommand ? this.parent.root() : this
  }

  private knownFlags(): string[] {
    const above = this.parent instanceof LazyCommand ? this.parent.knownFlags() : []
    return [...this.options.flatMap(({ short, long }) => [short, long]).filter(flag => flag !== undefined), ...above]
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

/** What commander says of a mistake, as a person would. */
function inWords(text: string, command: string): string {
  const missing = /^option '.*?(--?[\w-]+)(?: <.*>)?' argument missing$/.exec(text)
  if (missing) return `${missing[1]} needs a value.`
  const choice = /^option '.*?(--?[\w-]+)(?: <.*>)?' argument ('.*') is invalid\. Allowed choices are (.*)\.$/s.exec(text)
  if (choice) return `${choice[1]} must be ${choice[3]!.replace(/, (?=[^,]*$)/, ' or ')}, not ${choice[2]}.`
  const many = /^too many arguments for '.*'\. Expected (\d+) arguments? but got (\d+)\.?$/.exec(text)
  if (many)
    return many[1] === '0'
      ? `${command} takes no arguments.`
      : `${command} takes at most ${many[1]} ${many[1] === '1' ? 'argument' : 'arguments'}, not ${many[2]}.`
  const absent = /^missing required argument '(.*)'$/.exec(text)
  if (absent) return `${command} needs a ${absent[1]!.replace(/[.]*$/, '').replaceAll('-', ' ')}.`
  return sentence(text)
}

/** A value that is none of the choices because it is empty. */
const EMPTY_VALUE =
  /^error: (?:option '.*?(--[\w-]+).*?' argument '' is invalid|command-argument value '' is invalid for argument '([\w-]+)')/
