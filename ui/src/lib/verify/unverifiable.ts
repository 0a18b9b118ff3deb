/** Why a log could be checked neither way: nothing is known to be wrong with it. `problem`: the type of what was refused. */
export class Unverifiable extends Error {
  constructor(
    message: string,
    readonly problem?: string,
  ) {
    super(message);
  }
}
