namespace Vmm.Core.Backends.Files;

/// <summary>Kinds of record locks, with Linux's numbers.</summary>
public enum FileLockKind : byte
{
    Shared = 0,
    Exclusive = 1,
    None = 2,
}
