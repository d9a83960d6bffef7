using System.Text.Json.Serialization;

namespace Vmm.Machine.Config;

/// <summary>What stands at the host end of a serial port.</summary>
public enum SerialKind
{
    /// <summary>Standard input and output.</summary>
    [JsonStringEnumMemberName("stdio")]
    Stdio,

    /// <summary>Nothing.</summary>
    [JsonStringEnumMemberName("null")]
    Null,

    /// <summary>A file that is emptied first.</summary>
    [JsonStringEnumMemberName("file")]
    File,

    /// <summary>A file that keeps what it holds.</summary>
    [JsonStringEnumMemberName("append")]
    Append,

    /// <summary>A new pseudo-terminal.</summary>
    [JsonStringEnumMemberName("pty")]
    Pty,

    /// <summary>A Unix socket that clients connect to.</summary>
    [JsonStringEnumMemberName("unix")]
    Unix,
}
