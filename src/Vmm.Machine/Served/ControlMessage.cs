using System.Text.Json.Serialization;
using Vmm.Machine.Config;

namespace Vmm.Machine.Served;

/// <summary>A message between a machine and its device model, as JSON. What a verb does not need is left out.</summary>
internal sealed record ControlMessage
{
    public required ControlVerb Verb { get; init; }

    /// <summary>The request's number, which its answer has, too; 0 for what is not answered.</summary>
    public long Number { get; init; }

    /// <summary>The device's id.</summary>
    public string? Device { get; init; }

    /// <summary>The machine with the device that is added, alone.</summary>
    [JsonConverter(typeof(MachineConfigConverter))]
    public MachineConfig? Machine { get; init; }

    /// <summary>What was changed of the device.</summary>
    public ServedSettings? Settings { get; init; }

    /// <summary>The MTU of the interface whose queues came before; null for no such interface.</summary>
    public ushort? LinkMtu { get; init; }

    /// <summary>The MTU that the guest is told; 0 for none.</summary>
    public ushort GuestMtu { get; init; }

    /// <summary>A disk's new size.</summary>
    public ulong SizeBytes { get; init; }

    /// <summary>The most bytes of each frame that is recorded.</summary>
    public int SnapLength { get; init; }

    /// <summary>The file is only read.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>The file is read and written past the host's page cache.</summary>
    public bool IsDirect { get; init; }

    /// <summary>The trouble is one of a disk's image.</summary>
    public bool IsStorage { get; init; }

    /// <summary>The disk's request that failed.</summary>
    public DiskFailure? Failure { get; init; }

    /// <summary>The number of a queue.</summary>
    public int Queue { get; init; }

    /// <summary>A path, a line for people, or a state.</summary>
    public string? Text { get; init; }

    /// <summary>Why not.</summary>
    public ControlProblem Problem { get; init; }

    /// <summary>What the devices have done.</summary>
    public ServedReport[]? Reports { get; init; }
}
