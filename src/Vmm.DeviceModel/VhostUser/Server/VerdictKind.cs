namespace Vmm.DeviceModel.VhostUser.Server;

/// <summary>How a message ended.</summary>
internal enum VerdictKind
{
    /// <summary>It was carried out or refused, and is acknowledged if that was asked for.</summary>
    Done,

    /// <summary>It has an answer of its own.</summary>
    Answered,

    /// <summary>It makes no sense.</summary>
    Malformed,
}
