// SPDX-License-Identifier: MIT
// An intrusive doubly linked list: its members carry the links, so adding and removing allocate nothing and cost the same at any length.

/** A member of at most one list at a time. */
export interface Linked<Member> {
  previous: Member | null
  next: Member | null
}

export class LinkedList<Member extends Linked<Member>> implements Iterable<Member> {
  first: Member | null = null
  last: Member | null = null
  size = 0

  /** Adds at the end. */
  add(member: Member): void {
    const { last } = this
    member.previous = last
    if (last === null) this.first = member
    else last.next = member
    this.last = member
    this.size++
  }

  remove(member: Member): void {
    const { previous, next } = member
    if (previous === null) this.first = next
    else previous.next = next
    if (next === null) this.last = previous
    else next.previous = previous
    member.previous = null
    member.next = null
    this.size--
  }

  /** From the oldest on. The member just given may be removed meanwhile. */
  *[Symbol.iterator](): Iterator<Member> {
    for (let member = this.first; member !== null; ) {
      const next: Member | null = member.next
      yield member
      member = next
    }
  }
}
