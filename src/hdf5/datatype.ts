// SPDX-License-Identifier: MIT
// A type that has a name of its own in the file.
import type { Access } from './access/access.ts'
import { Attributes } from './attributes.ts'
import { Hdf5Error } from './errors.ts'
import type { File } from './file.ts'
import type { Dtype } from './values/dtype.ts'
import type { Reference } from './values/nd-array.ts'

export class Datatype {
  readonly kind = 'datatype'
  /** Its path in the file. */
  readonly name: string
  readonly attrs: Attributes
  private readonly access: Access

  /** @internal */
  constructor(access: Access, name: string) {
    this.access = access
    this.name = name
    this.attrs = new Attributes(access, name)
  }

  get file(): File {
    return this.access.file
  }

  get dtype(): Promise<Dtype> {
    return this.access.ask<'describe'>({ do: 'describe', path: this.name }).then((info) => {
      if (info.kind === 'datatype') return info.dtype
      const { name: object } = this
      const { path: file } = this.file
      throw new Hdf5Error('HDF5_KIND', `${object} in ${file}: it is a ${info.kind}, not a datatype.`, { file, object })
    })
  }

  /** A reference to it, to be stored in this file. */
  get ref(): Promise<Reference> {
    return this.access.ask<'reference'>({ do: 'reference', path: this.name }) as Promise<Reference>
  }
}
