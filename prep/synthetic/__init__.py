"""A building of synthetic rooms with known answers.

::

    shapes      parallelograms, boxes and prisms
    furniture   chairs, tables, sofas, bookcases, made of parts
    clutter     things that stand on floors, tables and shelves, or hang on ceilings
    shell       ceiling, floor, walls with openings, windows, doors, boards, beams, columns
    layout      where things may stand without touching each other
    rooms       what stands in an office, a hallway, …
    scan        what a scanner on a tripod sees of it, and in which colours
"""
