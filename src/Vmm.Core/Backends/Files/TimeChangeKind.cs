namespace Vmm.Core.Backends.Files;

/// <summary>The ways of a <see cref="TimeChange"/>.</summary>
public enum TimeChangeKind : byte
{
    Keep,
    Now,
    Set,
}
